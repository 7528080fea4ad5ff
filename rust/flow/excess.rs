//! Compares an outbox's memory with its limit.
//!
//! A message that alone exceeds the limit does not count while it is among the next of its lane, or sent and not
//! acknowledged: a client that reads gets it soon, and must not lose its session because of it. In each lane this is at
//! most one message that waits, and what may be sent: one above the high-water mark, or as many as fit below it. Cost:
//! O(1) within the limit; above it O(1), and O(1) for each unacknowledged message if these alone exceed it.

use super::entry::Slot;
use super::lane::IopubLane;
use super::outbox::Outbox;
use super::zone::{Sums, weight};

impl Outbox {
    /// Bytes of memory that the limit applies to.
    pub fn limited_memory(&self) -> u64 {
        let (memory, limit) = (self.memory(), self.config.memory_limit);
        if memory <= limit {
            return memory;
        }
        let mut large = self.iopub.large(limit) + first_above(limit, self.replies.iter().map(bytes_of));
        if self.sent.memory() > limit {
            let sent = self.sent.entries().map(|entry| weight(entry.frame.len()));
            large += sent.filter(|bytes| *bytes > limit).sum::<u64>();
        }
        memory - large
    }
}

impl IopubLane {
    /// Bytes of the first message among the next ones that exceeds the limit. What is on the disk, or behind it, is not next.
    fn large(&self, limit: u64) -> u64 {
        let zones = self.zones();
        let ahead = if self.disk.is_empty() { &zones[..] } else { &zones[..1] };
        let open = self.open.as_ref().filter(|_| self.disk.is_empty());
        let open = open.map(|open| Sums::of(open.entry()).bytes + open.added_len());
        first_above(
            limit,
            ahead.iter().flat_map(|zone| zone.iter()).map(bytes_of).chain(open),
        )
    }
}

fn bytes_of(slot: &Slot) -> u64 {
    Sums::of_item(&slot.item).bytes
}

fn first_above(limit: u64, queued: impl Iterator<Item = u64>) -> u64 {
    queued.take(NEXT).find(|bytes| *bytes > limit).unwrap_or(0)
}

/// How many messages are the next ones. Text before a large message is merged and may wait for the merge window; few
/// other messages come before it.
const NEXT: usize = 16;

#[cfg(test)]
mod tests;

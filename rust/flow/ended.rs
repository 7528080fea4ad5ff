//! Drops the unsent output of a kernel process when a client asks for a restart, so that output of the next process is not
//! delayed by it.
//!
//! It drops IOPub messages and prompts of the process. Replies, messages of the server and messages that were written
//! before are kept. The kernel's `header.session` identifies the process: messages of it that arrive later, because they
//! were still in a socket, are dropped too. One gap counts all of them; it is inserted before the next message that is kept.
//! Cost: one pass over the queued messages; afterwards two comparisons for each message.

use std::sync::Arc;

use bytes::Bytes;

use super::entry::{Count, Entry, Gap, Item, Parent, Reason, Slot};
use super::gap_index::GapIndex;
use super::lane::IopubLane;
use super::outbox::Outbox;
use super::process::Ended;
use super::rate_window::RateWindow;
use crate::batch::Message;

impl Outbox {
    /// Drops the unsent output of the process whose `header.session` is `session`. Returns the blocks no longer needed.
    pub fn end_process(&mut self, session: &[u8]) -> Vec<u64> {
        self.place_ended_gap();
        let (count, last, blocks) = self.iopub.drop_unsent(Reason::Restarted);
        self.rate = RateWindow::default();
        self.ended = Some(Ended::new(session, count, last.or_else(|| self.parent.upgrade())));
        blocks
    }

    /// Stops dropping: the new process has the same `header.session`.
    pub fn resume_process(&mut self) {
        self.place_ended_gap();
        self.ended = None;
    }

    /// Drops a message that arrived late from the process that was replaced.
    pub(super) fn drop_of_ended(&mut self, entry: &Entry, message: &Message, parts: &[Bytes]) {
        let count = Count::of_message(entry, parts);
        self.iopub.count_dropped(Reason::Restarted, count);
        if let Some(ended) = &mut self.ended {
            ended.count(count, message, parts, &self.iopub.parents);
        }
    }

    /// Appends the gap of the replaced process, if it counts messages. Called before another message is appended.
    pub(super) fn place_ended_gap(&mut self) {
        let parents = &self.iopub.parents;
        if let Some(gap) = self.ended.as_mut().and_then(|ended| ended.take_gap(parents)) {
            self.iopub.push_gap(gap);
        }
    }
}

impl IopubLane {
    /// Drops all unsent output and all gaps. Returns the count of the messages that the client will not get (those of gaps and
    /// lost blocks too), the parent of the last one, and the blocks that are no longer needed.
    fn drop_unsent(&mut self, reason: Reason) -> (Count, Option<Arc<Parent>>, Vec<u64>) {
        self.close();
        let (mut dropped, mut missing, mut last) = (Count::default(), Count::default(), None);
        let cleared = self.disk.clear();
        dropped.add(cleared.dropped);
        missing.add(cleared.missing);
        self.server_dropped += cleared.from_server;
        let mut kept = Vec::new();
        for zone in self.zones_mut() {
            for mut slot in zone.take_all() {
                match &mut slot.item {
                    Item::Message(entry) if entry.is_unsent_output() => {
                        let count = Count::measured(entry);
                        dropped.add(count);
                        missing.add(count);
                        last = entry.parent.clone().or(last);
                    }
                    Item::Message(_) => kept.push(slot),
                    Item::Gap(gap) => {
                        missing.add(gap.count);
                        last = Some(Arc::clone(&gap.parent));
                    }
                    Item::Hole => {}
                }
            }
        }
        for slot in kept {
            self.front.push_back(slot);
        }
        self.gap_index = GapIndex::default();
        self.count_dropped(reason, dropped);
        (missing, last, cleared.blocks)
    }

    /// Appends a gap. It is not in the `GapIndex`, so its count is final.
    fn push_gap(&mut self, gap: Gap) {
        self.close();
        self.last_seq += 1;
        let (seq, item) = (self.last_seq, Item::Gap(gap));
        self.tail.push_back(Slot { seq, item });
    }
}

#[cfg(test)]
mod tests;

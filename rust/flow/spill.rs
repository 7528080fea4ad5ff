//! Moves messages of the lane to blocks on the disk and back. Python writes and reads the blocks.
//!
//! About 1 MiB stays in memory before the disk, so that the next messages are sent without reading; a larger message does not.
//! A block that cannot be written is moved back to memory; one that cannot be read is replaced by a gap. Cost: see `block`.

use bytes::Bytes;

use super::block::{put_slot, take_block};
use super::disk::Block;
use super::entry::{Gap, Item, Parent, Reason, Slot};
use super::lane::IopubLane;
use crate::client_wire::gather::Segments;
use crate::reader::wide;

impl IopubLane {
    /// Makes a block of the oldest messages after `front` and the disk: about `max_bytes`, but at least one message. While the
    /// disk is empty, first moves as many bytes to `front`, but no message that is larger than `STEP`. None: there is nothing to
    /// spill.
    pub fn spill(&mut self, max_bytes: usize) -> Option<(u64, Vec<Bytes>)> {
        let step = max_bytes.min(STEP);
        let mut ready = self.front.sums().bytes;
        let mut slot = self.pop_for_disk()?;
        while self.disk.is_empty() && ready < wide(step) && slot.weight() <= wide(STEP) {
            ready += slot.weight();
            self.front.push_back(slot);
            slot = self.pop_for_disk()?;
        }
        let mut block = self.disk.start_block(slot.seq);
        let mut out = Segments::default();
        loop {
            block.count(&mut slot);
            put_slot(&slot, &mut out);
            block.slots.push(slot);
            if out.len() >= step {
                break;
            }
            match self.pop_for_disk() {
                Some(next) => slot = next,
                None => break,
            }
        }
        block.size = wide(out.len());
        let id = block.id;
        self.disk.push(block);
        Some((id, out.finish()))
    }

    fn pop_for_disk(&mut self) -> Option<Slot> {
        loop {
            let slot = self.middle.pop_front().or_else(|| self.tail.pop_front())?;
            match slot.item {
                Item::Hole => continue,
                // Its count is final once it is on the disk
                Item::Gap(ref gap) => {
                    self.gap_index.end_text_gaps();
                    if self.gap_index.displays.get(&gap.parent) == Some(&slot.seq) {
                        self.gap_index.end_display_gap(&gap.parent);
                    }
                }
                Item::Message(_) => {}
            }
            return Some(slot);
        }
    }

    /// Whether a block is still in memory, so that it must be written.
    pub fn on_its_way(&self, id: u64) -> bool {
        self.disk.on_its_way(id)
    }

    /// Frees the memory of a block that was written. False: its messages were sent or lost, so the block is not needed.
    pub fn written(&mut self, id: u64) -> bool {
        self.disk.free_memory(id)
    }

    /// Moves a block that could not be written, and all blocks after it, back to memory, where messages can be dropped.
    pub fn unspill(&mut self, id: u64) {
        while let Some(block) = self.disk.take_back(id) {
            self.gap_index.search_from(block.seq);
            for slot in block.slots.into_iter().rev() {
                self.middle.push_front(slot);
            }
        }
    }

    /// Moves the next block to `front` if it is still in memory, so that it need not be read.
    pub(super) fn recall(&mut self) {
        if self.front.is_empty()
            && let Some(block) = self.disk.pop_if(|block| !block.slots.is_empty())
        {
            self.gap_index.search_from(block.seq);
            block.slots.into_iter().for_each(|slot| self.front.push_back(slot));
        }
    }

    /// Restores the next block from its bytes. False: the block is not next, is lost or is still in memory; or the bytes are
    /// damaged, and then it is lost.
    pub fn restore(&mut self, id: u64, bytes: &Bytes) -> bool {
        let readable = |block: &&Block| block.id == id && !block.lost && block.slots.is_empty();
        let Some(block) = self.disk.front().filter(readable) else {
            return false;
        };
        let slots = take_block(bytes, &block.contents, &self.parents);
        let Some(slots) = slots.filter(|_| wide(bytes.len()) == block.size) else {
            self.lost(id);
            return false;
        };
        self.disk.pop_if(|_| true);
        for slot in slots {
            self.front.push_back(slot);
        }
        true
    }

    /// Marks a block as lost and counts its messages as dropped. False: there is no such block.
    pub fn lost(&mut self, id: u64) -> bool {
        let Some(contents) = self.disk.mark_lost(id) else {
            return false;
        };
        self.count_dropped(Reason::Lost, contents.messages);
        self.server_dropped += contents.from_server;
        true
    }

    /// Replaces the next block by a gap if it is lost.
    pub(super) fn replace_lost_block(&mut self) {
        while self.front.is_empty()
            && let Some(block) = self.disk.pop_if(|block| block.lost)
        {
            let mut count = block.contents.messages;
            count.add(block.contents.in_gaps);
            let gap = Gap {
                parent: block.parent.unwrap_or_else(|| Parent::empty(&self.parents)),
                count,
                reason: Reason::Lost,
            };
            let (seq, item) = (block.seq, Item::Gap(gap));
            self.front.push_back(Slot { seq, item });
        }
    }
}

/// Bytes at which a block is full, and bytes that are kept in memory before the disk: about what a page reads in a second.
const STEP: usize = 1024 * 1024;

#[cfg(test)]
mod gap_tests;
#[cfg(test)]
mod tests;

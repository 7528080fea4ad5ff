//! How messages of the lane go to the disk and come back. Whoever holds the file writes and reads the blocks.
//!
//! About a block's worth stays in memory before the disk, so that what is next need not be read. A block that cannot be
//! written comes back to memory; one that cannot be read back is a gap in its place. Cost: see `block`.

use bytes::Bytes;

use super::block::{put_slot, take_block};
use super::disk::Block;
use super::entry::{Gap, Item, Parent, Reason, Slot};
use super::lane::IopubLane;
use crate::client_wire::gather::Segments;
use crate::reader::wide;

impl IopubLane {
    /// Makes a block of one message or about `max_bytes` of what comes after `front` and the disk. As much stays in
    /// `front`. None: there is nothing more that could be spilled.
    pub fn spill(&mut self, max_bytes: usize) -> Option<(u64, Vec<Bytes>)> {
        let step = max_bytes.min(STEP);
        let mut ready = self.front.sums().bytes;
        while self.disk.is_empty() && ready < wide(step) {
            let slot = self.pop_for_disk()?;
            ready += slot.weight();
            self.front.push_back(slot);
        }
        let mut slot = self.pop_for_disk()?;
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
                // Nothing can be counted in it any more
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

    /// Whether a block is still to be written.
    pub fn on_its_way(&self, id: u64) -> bool {
        self.disk.on_its_way(id)
    }

    /// A block is on the disk. False: it is not wanted there any more.
    pub fn written(&mut self, id: u64) -> bool {
        self.disk.free_memory(id)
    }

    /// The disk did not take a block: it and all after it come back to memory, where they may be cut or left out.
    pub fn unspill(&mut self, id: u64) {
        while let Some(block) = self.disk.take_back(id) {
            self.gap_index.search_from(block.seq);
            for slot in block.slots.into_iter().rev() {
                self.middle.push_front(slot);
            }
        }
    }

    /// If the next block is still in memory, its messages are next without having been on the disk.
    pub(super) fn recall(&mut self) {
        if self.front.is_empty()
            && let Some(block) = self.disk.pop_if(|block| !block.slots.is_empty())
        {
            self.gap_index.search_from(block.seq);
            block.slots.into_iter().for_each(|slot| self.front.push_back(slot));
        }
    }

    /// The block that is next was read. False: it is another one, lost or in memory still, or not as it was written, and
    /// then it is lost.
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

    /// A block cannot be read. False: there is no such block.
    pub fn lost(&mut self, id: u64) -> bool {
        let Some(contents) = self.disk.mark_lost(id) else {
            return false;
        };
        self.count_dropped(Reason::Lost, contents.messages);
        self.server_dropped += contents.from_server;
        true
    }

    /// If the next block is lost, puts a gap in its place.
    pub(super) fn replace_lost_block(&mut self) {
        while self.front.is_empty()
            && let Some(block) = self.disk.pop_if(|block| block.lost)
        {
            let mut count = block.contents.messages;
            count.add(block.contents.left_out);
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

/// How much is kept in memory before the disk, and how large a block is, at most: what a page takes in a second or so.
const STEP: usize = 1024 * 1024;

#[cfg(test)]
mod tests;

//! What waits on the disk, or on its way there: blocks of messages, in order. Whoever holds the file writes and reads them.
//!
//! Until a block is said to be `written` its messages stay in memory too, and leave from there if their turn comes first.
//! About a block's worth stays in memory before the disk, so that what is next need not be read. A block that cannot be
//! written comes back to memory; one that cannot be read back is a gap in its place. Cost: see `block`.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::block::{Contents, put_slot, take_block};
use super::entry::{Count, Gap, Item, Parent, Reason, Slot};
use super::lane::IopubLane;
use super::transcode::measure;
use super::zone::Sums;
use crate::client_wire::gather::Segments;
use crate::reader::wide;

/// The blocks that wait between `front` and `middle`.
#[derive(Default)]
pub struct Disk {
    blocks: VecDeque<Block>,
    sums: Sums,
    size: u64,
    last_id: u64,
}

struct Block {
    id: u64,
    /// The messages themselves, until they are written.
    slots: Vec<Slot>,
    seq: u64,
    sums: Sums,
    size: u64,
    /// What is missing if it is lost, and what is there if it is not.
    contents: Contents,
    /// For the notice of its loss, if a kernel has not made it large: it stays in memory.
    parent: Option<Arc<Parent>>,
    lost: bool,
}

/// What was in blocks that were forgotten.
#[derive(Default)]
pub struct Cleared {
    /// Their numbers.
    pub blocks: Vec<u64>,
    /// What is missing without them that was not missing before.
    pub own: Count,
    /// The same with the gaps in them.
    pub all: Count,
    /// Messages of the server itself.
    pub of_server: u64,
}

impl Disk {
    /// Whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The block that is next to be read.
    pub fn next(&self) -> Option<u64> {
        self.blocks.front().map(|block| block.id)
    }

    /// What the messages amount to; of those that are written the bytes are no memory.
    pub fn sums(&self) -> Sums {
        self.sums
    }

    /// The bytes of the blocks that are written.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Forgets all blocks; their numbers are not used again.
    pub fn clear(&mut self) -> Cleared {
        let mut cleared = Cleared::default();
        for block in &self.blocks {
            cleared.blocks.push(block.id);
            cleared.all.add(block.contents.messages);
            cleared.all.add(block.contents.left_out);
            if !block.lost {
                cleared.own.add(block.contents.messages);
                cleared.of_server += block.contents.of_server;
            }
        }
        *self = Self {
            last_id: self.last_id,
            ..Self::default()
        };
        cleared
    }

    /// The messages that are still in memory too.
    #[cfg(test)]
    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Slot> {
        self.blocks.iter().flat_map(|block| &block.slots)
    }

    /// One parent for each block.
    #[cfg(test)]
    pub(super) fn parents(&self) -> impl Iterator<Item = &Arc<Parent>> {
        self.blocks.iter().filter_map(|block| block.parent.as_ref())
    }

    fn push(&mut self, block: Block) {
        self.sums.add(block.sums);
        self.blocks.push_back(block);
    }

    fn pop(&mut self) -> Option<Block> {
        let block = self.blocks.pop_front()?;
        self.forget(&block);
        Some(block)
    }

    /// Lets go of the memory of a block; false if there is no such block, or none of its memory.
    fn let_go(&mut self, id: u64) -> bool {
        let block = self
            .blocks
            .iter_mut()
            .find(|block| block.id == id && !block.slots.is_empty());
        let Some(block) = block else { return false };
        self.sums.bytes -= std::mem::take(&mut block.sums.bytes);
        block.slots = Vec::new();
        self.size += block.size;
        true
    }

    fn forget(&mut self, block: &Block) {
        if !block.lost {
            self.sums.subtract(block.sums);
            self.size -= block.size_on_disk();
        }
    }
}

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
        self.disk.last_id += 1;
        let mut block = Block {
            id: self.disk.last_id,
            slots: Vec::new(),
            seq: slot.seq,
            sums: Sums::default(),
            size: 0,
            contents: Contents::default(),
            parent: None,
            lost: false,
        };
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
                    self.gaps.end_cut();
                    if self.gaps.full.get(&gap.parent) == Some(&slot.seq) {
                        self.gaps.end_full(&gap.parent);
                    }
                }
                Item::Message(_) => {}
            }
            return Some(slot);
        }
    }

    /// Whether a block is still to be written.
    pub fn on_its_way(&self, id: u64) -> bool {
        self.disk
            .blocks
            .iter()
            .any(|block| block.id == id && !block.slots.is_empty())
    }

    /// A block is on the disk. False: it is not wanted there any more.
    pub fn written(&mut self, id: u64) -> bool {
        self.disk.let_go(id)
    }

    /// The disk did not take a block: it and all after it come back to memory, where they may be cut or left out.
    pub fn unspill(&mut self, id: u64) {
        let returns = |block: &Block| block.id >= id && !block.slots.is_empty();
        while self.disk.blocks.back().is_some_and(returns) {
            let Some(block) = self.disk.blocks.pop_back() else {
                return;
            };
            self.disk.forget(&block);
            self.gaps.search_from(block.seq);
            for slot in block.slots.into_iter().rev() {
                self.middle.push_front(slot);
            }
        }
    }

    /// If the next block is still in memory, its messages are next without having been on the disk.
    pub(super) fn recall(&mut self) {
        let next = self.disk.blocks.front();
        if self.front.is_empty()
            && next.is_some_and(|block| !block.slots.is_empty())
            && let Some(block) = self.disk.pop()
        {
            self.gaps.search_from(block.seq);
            block.slots.into_iter().for_each(|slot| self.front.push_back(slot));
        }
    }

    /// The block that is next was read. False: it is another one, lost or in memory still, or not as it was written, and
    /// then it is lost.
    pub fn restore(&mut self, id: u64, bytes: &Bytes) -> bool {
        let readable = |block: &&Block| block.id == id && !block.lost && block.slots.is_empty();
        let Some(block) = self.disk.blocks.front().filter(readable) else {
            return false;
        };
        let slots = take_block(bytes, &block.contents, &self.parents);
        let Some(slots) = slots.filter(|_| wide(bytes.len()) == block.size) else {
            self.lost(id);
            return false;
        };
        self.disk.pop();
        for slot in slots {
            self.front.push_back(slot);
        }
        true
    }

    /// A block cannot be read. False: there is no such block.
    pub fn lost(&mut self, id: u64) -> bool {
        let Some(block) = self.disk.blocks.iter_mut().find(|block| block.id == id && !block.lost) else {
            return false;
        };
        let Contents {
            messages: own,
            of_server,
            ..
        } = block.contents;
        let (sums, size) = (block.sums, block.size_on_disk());
        block.slots.clear();
        block.lost = true;
        self.disk.sums.subtract(sums);
        self.disk.size -= size;
        self.leave_out(Reason::Lost, own);
        self.untold += of_server;
        true
    }

    /// If the next block is lost, puts a gap in its place.
    pub(super) fn replace_lost_block(&mut self) {
        while self.front.is_empty() && self.disk.blocks.front().is_some_and(|block| block.lost) {
            let Some(block) = self.disk.pop() else { return };
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

impl Block {
    fn size_on_disk(&self) -> u64 {
        if self.slots.is_empty() { self.size } else { 0 }
    }

    fn count(&mut self, slot: &mut Slot) {
        let parent = match &mut slot.item {
            Item::Message(entry) => {
                measure(entry);
                entry.parent.as_ref()
            }
            Item::Gap(gap) => Some(&gap.parent),
            Item::Hole => None,
        };
        if self.parent.is_none() {
            self.parent = parent.filter(|parent| parent.weight() <= SMALL_PARENT).cloned();
        }
        self.sums.add(Sums::of_item(&slot.item));
        self.contents.add(slot);
    }
}

/// How much is kept in memory before the disk, and how large a block is, at most: what a page takes in a second or so.
const STEP: usize = 1024 * 1024;

/// A parent_header of a usual kernel has some 300 bytes.
const SMALL_PARENT: u64 = 4 * 1024;

#[cfg(test)]
mod tests;

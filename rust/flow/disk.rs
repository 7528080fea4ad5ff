//! The queue of blocks that are on the disk or about to be written to it.
//!
//! The messages of a block stay in memory until the caller reports it as written; if they are next before that, they are
//! sent from memory. Must not open files: `spill` fills and restores blocks, and Python writes and reads them. Cost: O(1)
//! at either end; O(blocks) to find one by its number.

use std::collections::VecDeque;
use std::sync::Arc;

use super::block::Contents;
use super::entry::{Count, Item, Parent, Slot};
use super::transcode::measure;
use super::zone::Sums;

/// The blocks between the zones `front` and `middle` of a lane.
#[derive(Default)]
pub struct Disk {
    blocks: VecDeque<Block>,
    sums: Sums,
    size: u64,
    last_id: u64,
}

/// A block of messages.
pub struct Block {
    /// The number of the block.
    pub id: u64,
    /// The messages in memory. Empty once the block is written.
    pub slots: Vec<Slot>,
    /// The number of the first slot.
    pub seq: u64,
    /// Bytes of the block on the disk.
    pub size: u64,
    /// The sums of the block, for the check when it is read and for the notice if it is lost.
    pub contents: Contents,
    /// The first small parent, for the notice if the block is lost. A large one is not kept in memory for that.
    pub parent: Option<Arc<Parent>>,
    /// Whether the block cannot be read.
    pub lost: bool,
    sums: Sums,
}

/// What `clear` removed.
#[derive(Default)]
pub struct Cleared {
    /// The numbers of the blocks.
    pub blocks: Vec<u64>,
    /// Messages of the kernel in blocks that were not lost. They are dropped now; those of lost blocks were counted before.
    pub dropped: Count,
    /// All messages of the kernel that the client will not get: in blocks, in lost blocks, and counted in gaps.
    pub missing: Count,
    /// Messages of the server itself in blocks that were not lost.
    pub from_server: u64,
}

impl Disk {
    /// Whether there are no blocks.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The number of the next block.
    pub fn next(&self) -> Option<u64> {
        self.blocks.front().map(|block| block.id)
    }

    /// The sums over all blocks. `bytes` and `stream` count only those that are still in memory.
    pub fn sums(&self) -> Sums {
        self.sums
    }

    /// Bytes of the blocks on the disk.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Removes all blocks. Their numbers are not used again.
    pub fn clear(&mut self) -> Cleared {
        let mut cleared = Cleared::default();
        for block in &self.blocks {
            cleared.blocks.push(block.id);
            cleared.missing.add(block.contents.messages);
            cleared.missing.add(block.contents.in_gaps);
            if !block.lost {
                cleared.dropped.add(block.contents.messages);
                cleared.from_server += block.contents.from_server;
            }
        }
        *self = Self {
            last_id: self.last_id,
            ..Self::default()
        };
        cleared
    }

    /// The slots that are still in memory.
    #[cfg(any(test, fuzzing))]
    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Slot> {
        self.blocks.iter().flat_map(|block| &block.slots)
    }

    /// The parents that blocks keep.
    #[cfg(any(test, fuzzing))]
    pub(super) fn parents(&self) -> impl Iterator<Item = &Arc<Parent>> {
        self.blocks.iter().filter_map(|block| block.parent.as_ref())
    }

    /// Creates a block whose first slot is `seq`. The caller fills it and calls `push`.
    pub fn start_block(&mut self, seq: u64) -> Block {
        self.last_id += 1;
        Block {
            id: self.last_id,
            slots: Vec::new(),
            seq,
            size: 0,
            contents: Contents::default(),
            parent: None,
            lost: false,
            sums: Sums::default(),
        }
    }

    /// Appends a block that the caller will write to the disk.
    pub fn push(&mut self, block: Block) {
        self.sums.add(block.sums);
        self.blocks.push_back(block);
    }

    /// The next block.
    pub fn front(&self) -> Option<&Block> {
        self.blocks.front()
    }

    /// Removes the next block if `matches` is true for it.
    pub fn pop_if(&mut self, matches: impl FnOnce(&Block) -> bool) -> Option<Block> {
        self.front().filter(|block| matches(block))?;
        let block = self.blocks.pop_front()?;
        self.subtract(&block);
        Some(block)
    }

    /// Removes the last block if its number is at least `id` and it is still in memory.
    pub fn take_back(&mut self, id: u64) -> Option<Block> {
        let returns = |block: &&Block| block.id >= id && !block.slots.is_empty();
        self.blocks.back().filter(returns)?;
        let block = self.blocks.pop_back()?;
        self.subtract(&block);
        Some(block)
    }

    /// Whether the block is still in memory, so that it must be written.
    pub fn on_its_way(&self, id: u64) -> bool {
        self.blocks
            .iter()
            .any(|block| block.id == id && !block.slots.is_empty())
    }

    /// Frees the memory of a block. False: there is no such block, or it is not in memory.
    pub fn free_memory(&mut self, id: u64) -> bool {
        let block = self
            .blocks
            .iter_mut()
            .find(|block| block.id == id && !block.slots.is_empty());
        let Some(block) = block else { return false };
        self.sums.bytes -= std::mem::take(&mut block.sums.bytes);
        self.sums.stream -= std::mem::take(&mut block.sums.stream);
        block.slots = Vec::new();
        self.size += block.size;
        true
    }

    /// Marks a block as lost and returns its sums. None: there is no such block, or it was lost before.
    pub fn mark_lost(&mut self, id: u64) -> Option<Contents> {
        let block = self.blocks.iter_mut().find(|block| block.id == id && !block.lost)?;
        let (sums, size) = (block.sums, block.size_on_disk());
        block.slots.clear();
        block.lost = true;
        self.sums.subtract(sums);
        self.size -= size;
        Some(block.contents)
    }

    fn subtract(&mut self, block: &Block) {
        if !block.lost {
            self.sums.subtract(block.sums);
            self.size -= block.size_on_disk();
        }
    }
}

impl Block {
    fn size_on_disk(&self) -> u64 {
        if self.slots.is_empty() { self.size } else { 0 }
    }

    /// Adds a slot to the sums, after measuring its text.
    pub fn count(&mut self, slot: &mut Slot) {
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

/// Bytes of the largest parent that a block keeps. A usual parent_header has some 300 bytes.
const SMALL_PARENT: u64 = 4 * 1024;

#[cfg(test)]
mod tests;

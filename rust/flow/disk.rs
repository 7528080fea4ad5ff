//! The blocks of messages that wait on the disk, or on their way there, in order.
//!
//! Until a block is said to be written its messages stay in memory too, and leave from there if their turn comes first.
//! Knows no lane and no file: `spill` fills blocks and takes them out, whoever holds the file writes and reads them. Cost:
//! O(1) at either end, a look at each block otherwise; see `block` for the bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use super::block::Contents;
use super::entry::{Count, Item, Parent, Slot};
use super::transcode::measure;
use super::zone::Sums;

/// The blocks that wait between `front` and `middle`.
#[derive(Default)]
pub struct Disk {
    blocks: VecDeque<Block>,
    sums: Sums,
    size: u64,
    last_id: u64,
}

/// A block of messages. Whoever has taken it out of the disk, or not yet put it there, owns it.
pub struct Block {
    /// Its number.
    pub id: u64,
    /// The messages themselves, until they are written.
    pub slots: Vec<Slot>,
    /// The place of the first of them.
    pub seq: u64,
    /// Of the block as it is written.
    pub size: u64,
    /// What is missing if it is lost, and what is there if it is not.
    pub contents: Contents,
    /// For the notice of its loss, if a kernel has not made it large: it stays in memory.
    pub parent: Option<Arc<Parent>>,
    /// It cannot be read.
    pub lost: bool,
    sums: Sums,
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
    pub from_server: u64,
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
                cleared.from_server += block.contents.from_server;
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

    /// A block that is to begin at `seq`; `push` puts it on its way.
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

    /// Appends a block: it is to be written.
    pub fn push(&mut self, block: Block) {
        self.sums.add(block.sums);
        self.blocks.push_back(block);
    }

    /// The next block.
    pub fn front(&self) -> Option<&Block> {
        self.blocks.front()
    }

    /// Takes out the next block, if it is such a one.
    pub fn pop_if(&mut self, is_it: impl FnOnce(&Block) -> bool) -> Option<Block> {
        self.front().filter(|block| is_it(block))?;
        let block = self.blocks.pop_front()?;
        self.subtract(&block);
        Some(block)
    }

    /// Takes out the last block, if it is `id` or behind it and still in memory.
    pub fn take_back(&mut self, id: u64) -> Option<Block> {
        let returns = |block: &&Block| block.id >= id && !block.slots.is_empty();
        self.blocks.back().filter(returns)?;
        let block = self.blocks.pop_back()?;
        self.subtract(&block);
        Some(block)
    }

    /// Whether a block is still to be written.
    pub fn on_its_way(&self, id: u64) -> bool {
        self.blocks
            .iter()
            .any(|block| block.id == id && !block.slots.is_empty())
    }

    /// Lets go of the memory of a block; false if there is no such block, or none of its memory.
    pub fn free_memory(&mut self, id: u64) -> bool {
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

    /// Nobody can read a block: says what was in it. None: there is no such block, or it was lost before.
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

    /// Cursors a message that is put into it.
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

/// A parent_header of a usual kernel has some 300 bytes.
const SMALL_PARENT: u64 = 4 * 1024;

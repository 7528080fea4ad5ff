//! The file of a session's blocks, in memory. Writes wait until the disk gets to them, in order, as for a real file.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::holds;
use crate::flow::outbox::Outbox;
use crate::reader::wide;

#[derive(Default)]
pub struct Disk {
    waiting: VecDeque<(u64, Bytes)>,
    blocks: BTreeMap<u64, Bytes>,
}

impl Disk {
    pub fn size(&self) -> u64 {
        wide(self.blocks.values().map(Bytes::len).sum())
    }

    pub fn spill(&mut self, outbox: &mut Outbox, room: usize) {
        if let Some((id, pieces)) = outbox.spill(room) {
            self.waiting.push_back((id, Bytes::from(pieces.concat())));
        }
    }

    /// Finishes up to `count` writes. A block that was sent in the meantime is not needed any more.
    pub fn write(&mut self, outbox: &mut Outbox, count: usize) {
        for (id, block) in self.waiting.drain(..count.min(self.waiting.len())) {
            let wanted = outbox.on_its_way(id);
            assert_eq!(outbox.written(id), wanted);
            if wanted {
                self.blocks.insert(id, block);
            }
        }
    }

    /// The disk takes no more: what waits goes back to memory.
    pub fn refuse(&mut self, outbox: &mut Outbox) {
        if let Some((id, _)) = self.waiting.front() {
            outbox.unspill(*id);
            assert!(!self.waiting.iter().any(|(id, _)| outbox.on_its_way(*id)));
            self.waiting.clear();
        }
    }

    pub fn forget(&mut self, ids: &[u64]) {
        for id in ids {
            self.blocks.remove(id);
        }
    }

    /// Reads a block for the outbox. False: it was damaged, so that its messages count as left out.
    pub fn restore(&mut self, outbox: &mut Outbox, id: u64) -> bool {
        let block = self.blocks.remove(&id).unwrap();
        let is_whole = block[7] != DAMAGE;
        holds!(
            "L4",
            outbox.restore(id, &block) == is_whole,
            "block {id}, whole: {is_whole}"
        );
        is_whole
    }

    /// A block that cannot be read. False: there is none.
    pub fn lose(&mut self, outbox: &mut Outbox, which: usize) -> bool {
        let Some(id) = self.blocks.keys().nth(which % self.blocks.len().max(1)).copied() else {
            return false;
        };
        self.blocks.remove(&id);
        assert!(outbox.lost(id) && !outbox.lost(id));
        true
    }

    pub fn damage(&mut self, which: usize) {
        let which = which % self.blocks.len().max(1);
        if let Some(block) = self.blocks.values_mut().nth(which) {
            // The first number of the block, little-endian; the size stays
            let mut bytes = block.to_vec();
            bytes[7] = DAMAGE;
            *block = bytes.into();
        }
    }
}

/// The highest byte of the first number of a damaged block. No valid number is so large.
const DAMAGE: u8 = 0xff;

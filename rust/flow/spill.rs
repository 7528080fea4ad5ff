//! What waits on the disk: blocks of messages, in order. Whoever holds the file writes and reads them.
//!
//! ```text
//! block:   slot*
//! slot:    u64le seq | 0 message | 1 gap
//! message: flags | u64le bytes for the rate window | u64le messages | u64le text | u64le length, frame
//! gap:     reason | u64le messages | u64le bytes | id? | u64le length, id | u64le length, header
//! ```
//!
//! About a block's worth stays in memory before the disk, so that what is next need not be read. A block that cannot be
//! read back is a gap in its place. Cost: one copy of each message into its block, none out of it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::entry::{Count, Entry, Gap, Item, Kind, Parent, Reason, Slot};
use super::frame::{Frame, Source};
use super::lane::IopubLane;
use super::pacing::Class;
use super::transcode::measure;
use super::zone::Sums;
use crate::client_wire::Protocol;
use crate::error::{Malformed, Result};
use crate::reader::{Reader, wide};

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
    seq: u64,
    sums: Sums,
    size: u64,
    /// What is missing if it is lost, without and with its gaps.
    own: Count,
    all: Count,
    parent: Option<Arc<Parent>>,
    lost: bool,
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

    /// What the messages amount to; their bytes are no memory.
    pub fn sums(&self) -> Sums {
        self.sums
    }

    /// The bytes of all blocks.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What would be missing without them.
    pub fn count(&self) -> Count {
        let mut count = Count::default();
        let kept = self.blocks.iter().filter(|block| !block.lost);
        kept.for_each(|block| count.add(block.own));
        count
    }

    /// Forgets all blocks; their numbers are not used again.
    pub fn clear(&mut self) {
        let last_id = self.last_id;
        *self = Self {
            last_id,
            ..Self::default()
        };
    }

    fn push(&mut self, block: Block) {
        self.sums.add(block.sums);
        self.size += block.size;
        self.blocks.push_back(block);
    }

    fn pop(&mut self) -> Option<Block> {
        let block = self.blocks.pop_front()?;
        self.forget(&block);
        Some(block)
    }

    fn forget(&mut self, block: &Block) {
        if !block.lost {
            self.sums.subtract(block.sums);
            self.size -= block.size;
        }
    }
}

impl IopubLane {
    /// Makes a block of one message or about `max_bytes` of what comes after `front` and the disk. As much stays in
    /// `front`. None: there is nothing more that could be spilled.
    pub fn spill(&mut self, max_bytes: usize) -> Option<(u64, Vec<u8>)> {
        let step = max_bytes.min(STEP);
        while self.disk.is_empty() && self.front.sums().bytes < wide(step) {
            let slot = self.pop_for_disk()?;
            self.front.push_back(slot);
        }
        let mut slot = self.pop_for_disk()?;
        self.disk.last_id += 1;
        let mut block = Block {
            id: self.disk.last_id,
            seq: slot.seq,
            sums: Sums::default(),
            size: 0,
            own: Count::default(),
            all: Count::default(),
            parent: None,
            lost: false,
        };
        let mut out = Vec::new();
        loop {
            block.add(&mut slot.item);
            put_slot(&slot, &mut out);
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
        Some((id, out))
    }

    fn pop_for_disk(&mut self) -> Option<Slot> {
        loop {
            let slot = self.middle.pop_front().or_else(|| self.tail.pop_front())?;
            match slot.item {
                Item::Hole => continue,
                // Nothing can be counted in it any more
                Item::Gap(_) => self.gaps.cut.clear(),
                Item::Message(_) => {}
            }
            return Some(slot);
        }
    }

    /// The block that is next was read. False: it is another one, or not as it was written.
    pub fn restore(&mut self, id: u64, bytes: &Bytes) -> bool {
        if self.disk.next() != Some(id) {
            return false;
        }
        let Ok(slots) = take_slots(bytes) else {
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
        let own = block.own;
        let (sums, size) = (block.sums, block.size);
        block.lost = true;
        self.disk.sums.subtract(sums);
        self.disk.size -= size;
        self.leave_out(Reason::Lost, own);
        true
    }

    /// If the next block is lost, puts a gap in its place.
    pub(super) fn replace_lost_block(&mut self) {
        while self.front.is_empty() && self.disk.blocks.front().is_some_and(|block| block.lost) {
            let Some(block) = self.disk.pop() else { return };
            let gap = Gap {
                parent: block
                    .parent
                    .unwrap_or_else(|| Parent::unnamed(Bytes::from_static(b"{}"))),
                count: block.all,
                reason: Reason::Lost,
            };
            let (seq, item) = (block.seq, Item::Gap(gap));
            self.front.push_back(Slot { seq, item });
        }
    }
}

impl Block {
    fn add(&mut self, item: &mut Item) {
        let parent = match item {
            Item::Message(entry) => {
                measure(entry);
                self.sums.add(Sums {
                    bytes: 0,
                    ..Sums::of(entry)
                });
                self.own.add(Count::of(entry));
                self.all.add(Count::of(entry));
                entry.parent.as_ref()
            }
            Item::Gap(gap) => {
                self.all.add(gap.count);
                Some(&gap.parent)
            }
            Item::Hole => None,
        };
        if self.parent.is_none() {
            self.parent = parent.cloned();
        }
    }
}

fn put_slot(slot: &Slot, out: &mut Vec<u8>) {
    let mut numbers = |tag: [u8; 2], numbers: &[u64]| {
        out.extend(slot.seq.to_le_bytes());
        out.extend(tag);
        for number in numbers {
            out.extend(number.to_le_bytes());
        }
    };
    match &slot.item {
        Item::Hole => {}
        Item::Message(entry) => {
            let (class, bytes) = match entry.class {
                Class::Idle => (0, 0),
                Class::Exempt => (1, 0),
                Class::Message => (2, 0),
                Class::Stream(bytes) => (3, bytes),
            };
            let legacy = if entry.protocol == Protocol::Legacy { LEGACY } else { 0 };
            let stream = if entry.kind == Kind::Stream { STREAM } else { 0 };
            numbers([MESSAGE, class | legacy | stream], &[bytes, entry.messages, entry.text]);
            put_bytes(entry.frame.bytes(), out);
        }
        Item::Gap(gap) => {
            let reason = Reason::ALL.iter().position(|reason| *reason == gap.reason);
            let reason = reason.and_then(|index| u8::try_from(index).ok()).unwrap_or_default();
            let named = if gap.parent.id.is_some() { NAMED } else { 0 };
            numbers([GAP, reason | named], &[gap.count.messages, gap.count.bytes]);
            put_bytes(gap.parent.id.as_deref().unwrap_or_default(), out);
            put_bytes(&gap.parent.header, out);
        }
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(wide(bytes.len()).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take_slots(block: &Bytes) -> Result<Vec<Slot>> {
    let source = Source::new(block.clone(), None);
    let mut reader = Reader::new(block);
    let mut slots = Vec::new();
    while !reader.is_empty() {
        let seq = u64::from_le_bytes(reader.take_array()?);
        let [tag, flags] = reader.take_array()?;
        let item = match tag {
            MESSAGE => {
                let mut entry = take_message(flags, &mut reader)?;
                let len = u64::from_le_bytes(reader.take_array()?);
                let start = block.len() - usize::try_from(reader.len()).unwrap_or_default();
                let frame = reader.take(len)?;
                entry.frame = Frame::new(&source, start, start + frame.len());
                Item::Message(entry)
            }
            GAP => Item::Gap(take_gap(flags, block, &mut reader)?),
            _ => return Err(Malformed::TrailingBytes(reader.len())),
        };
        slots.push(Slot { seq, item });
    }
    Ok(slots)
}

/// All but its frame. It is about to leave, so it does not give way any more and needs no parent.
fn take_message(flags: u8, reader: &mut Reader<'_>) -> Result<Entry> {
    let bytes = u64::from_le_bytes(reader.take_array()?);
    let class = match flags & CLASS {
        0 => Class::Idle,
        1 => Class::Exempt,
        2 => Class::Message,
        _ => Class::Stream(bytes),
    };
    let legacy = flags & LEGACY != 0;
    let protocol = if legacy { Protocol::Legacy } else { Protocol::V1 };
    let mut entry = Entry::plain(Frame::alone(Bytes::new()), protocol, class);
    entry.messages = u64::from_le_bytes(reader.take_array()?);
    entry.text = u64::from_le_bytes(reader.take_array()?);
    if flags & STREAM != 0 {
        entry.kind = Kind::Stream;
    }
    Ok(entry)
}

fn take_gap(flags: u8, block: &Bytes, reader: &mut Reader<'_>) -> Result<Gap> {
    let count = Count {
        messages: u64::from_le_bytes(reader.take_array()?),
        bytes: u64::from_le_bytes(reader.take_array()?),
    };
    let mut bytes = || {
        let len = u64::from_le_bytes(reader.take_array()?);
        reader.take(len)
    };
    let (id, header) = (bytes()?, bytes()?);
    let parent = Arc::new(Parent {
        id: (flags & NAMED != 0).then(|| id.into()),
        header: Bytes::copy_from_slice(header),
    });
    let reason = *Reason::ALL
        .get(usize::from(flags & !NAMED))
        .ok_or(Malformed::TrailingBytes(wide(block.len())))?;
    Ok(Gap { parent, count, reason })
}

const MESSAGE: u8 = 0;
const GAP: u8 = 1;
const CLASS: u8 = 3;
const LEGACY: u8 = 4;
const STREAM: u8 = 8;
const NAMED: u8 = 128;

/// How much is kept in memory before the disk, and how large a block is, at most: what a page takes in a second or so.
const STEP: usize = 1024 * 1024;

#[cfg(test)]
mod tests;

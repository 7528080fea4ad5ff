//! The format of a block of messages on the disk.
//!
//! ```text
//! block:   slot*
//! slot:    u64le seq | 0 message | 1 gap
//! message: flags | u64le bytes for the rate window | u64le messages | u64le text | u64le length, frame
//! gap:     reason | u64le messages | u64le bytes | id? | u64le length, id | u64le length, header
//! ```
//!
//! Only the server can open the file, but a block is read as untrusted input: each frame must be well-formed, and the sums of
//! its slots must equal the `Contents` that the lane kept in memory. The payload of a frame is not checked. Cost: small
//! messages are copied once into the block, large ones never; reading copies nothing.

use bytes::Bytes;

use super::entry::{Count, Entry, Gap, Item, Kind, Parent, ParentMemory, Reason, Slot};
use super::frame::Frame;
use super::pacing::Class;
use super::source::Source;
use crate::client_wire::Protocol;
use crate::client_wire::gather::Segments;
use crate::client_wire::websocket;
use crate::error::{Malformed, Result};
use crate::reader::{Reader, wide};

/// The sums over the slots of a block. They must be equal when the block is written and when it is read, because the
/// outbox adds and later subtracts them. Additions saturate, because a damaged block can have any numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Messages of the kernel.
    pub messages: Count,
    /// Messages of the server itself. Notices do not count them.
    pub from_server: u64,
    /// Messages that the gaps of the block count.
    pub in_gaps: Count,
    text: u64,
    stream: u64,
    slots: u64,
    /// The numbers of the first and the last slot.
    first: Option<u64>,
    last: u64,
}

impl Contents {
    /// Adds a slot. False: its number is not above that of the last one.
    pub fn add(&mut self, slot: &Slot) -> bool {
        let ascends = self.first.is_none() || self.last < slot.seq;
        self.first.get_or_insert(slot.seq);
        self.last = slot.seq;
        self.slots += 1;
        match &slot.item {
            Item::Message(entry) => {
                if entry.is_from_server() {
                    self.from_server = self.from_server.saturating_add(entry.messages);
                } else {
                    self.messages.saturating_add(Count::of(entry));
                }
                self.text = self.text.saturating_add(entry.text);
                if let Class::Stream(bytes) = entry.class {
                    self.stream = self.stream.saturating_add(bytes);
                }
            }
            Item::Gap(gap) => self.in_gaps.saturating_add(gap.count),
            Item::Hole => {}
        }
        ascends
    }
}

/// Appends a slot to a block.
pub fn put_slot(slot: &Slot, out: &mut Segments) {
    let mut numbers = |tag: [u8; 2], numbers: &[u64]| {
        out.copy(&slot.seq.to_le_bytes());
        out.copy(&tag);
        for number in numbers {
            out.copy(&number.to_le_bytes());
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
            let kind = match entry.kind {
                Kind::Stream => STREAM,
                Kind::Prompt => PROMPT,
                Kind::Own => OWN,
                Kind::Announcement => ANNOUNCEMENT,
                Kind::Plain | Kind::Display | Kind::Update => 0,
            };
            let legacy = if entry.protocol == Protocol::Legacy { LEGACY } else { 0 };
            numbers([MESSAGE, class | legacy | kind], &[bytes, entry.messages, entry.text]);
            out.copy(&wide(entry.frame.len()).to_le_bytes());
            entry.frame.pieces().for_each(|piece| out.share(piece));
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

fn put_bytes(bytes: &[u8], out: &mut Segments) {
    out.copy(&wide(bytes.len()).to_le_bytes());
    out.copy(bytes);
}

/// Reads the slots of a block. None: it is malformed, or its sums differ from `written`. The parents of gaps are counted in
/// `memory`.
pub fn take_block(block: &Bytes, written: &Contents, memory: &ParentMemory) -> Option<Vec<Slot>> {
    let slots = take_slots(block, memory).ok()?;
    let mut found = Contents::default();
    let ascend = slots.iter().all(|slot| found.add(slot));
    (ascend && found == *written).then_some(slots)
}

/// Reads the slots of a block without comparing their sums.
pub fn take_slots(block: &Bytes, memory: &ParentMemory) -> Result<Vec<Slot>> {
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
                if !websocket::is_frame(frame) {
                    return Err(Malformed::TrailingBytes(len));
                }
                entry.frame = Frame::new(&source, start, start + frame.len());
                Item::Message(entry)
            }
            GAP => Item::Gap(take_gap(flags, memory, &mut reader)?),
            _ => return Err(Malformed::TrailingBytes(reader.len())),
        };
        slots.push(Slot { seq, item });
    }
    Ok(slots)
}

/// Reads a message without its frame. A message that is read back is sent next and cannot be dropped, so it needs no parent.
fn take_message(flags: u8, reader: &mut Reader<'_>) -> Result<Entry> {
    let bytes = u64::from_le_bytes(reader.take_array()?);
    let kind = match flags & KIND {
        0 => Kind::Plain,
        STREAM => Kind::Stream,
        PROMPT => Kind::Prompt,
        OWN => Kind::Own,
        ANNOUNCEMENT => Kind::Announcement,
        _ => return Err(Malformed::TrailingBytes(reader.len())),
    };
    let class = match (flags & CLASS, bytes) {
        (0, 0) => Class::Idle,
        (1, 0) => Class::Exempt,
        (2, 0) => Class::Message,
        (3, _) => Class::Stream(bytes),
        _ => return Err(Malformed::TrailingBytes(reader.len())),
    };
    if flags & !(CLASS | LEGACY | KIND) != 0 {
        return Err(Malformed::TrailingBytes(reader.len()));
    }
    let legacy = flags & LEGACY != 0;
    let protocol = if legacy { Protocol::Legacy } else { Protocol::V1 };
    let mut entry = Entry::plain(Frame::alone(Bytes::new()), protocol, class);
    entry.messages = u64::from_le_bytes(reader.take_array()?);
    entry.text = u64::from_le_bytes(reader.take_array()?);
    entry.kind = kind;
    Ok(entry)
}

fn take_gap(flags: u8, memory: &ParentMemory, reader: &mut Reader<'_>) -> Result<Gap> {
    let count = Count {
        messages: u64::from_le_bytes(reader.take_array()?),
        bytes: u64::from_le_bytes(reader.take_array()?),
    };
    let mut bytes = || {
        let len = u64::from_le_bytes(reader.take_array()?);
        reader.take(len)
    };
    let (id, header) = (bytes()?, bytes()?);
    let reason = *Reason::ALL
        .get(usize::from(flags & !NAMED))
        .ok_or(Malformed::TrailingBytes(reader.len()))?;
    let id = (flags & NAMED != 0).then_some(id);
    let parent = Parent::new(id, header, memory);
    Ok(Gap { parent, count, reason })
}

const MESSAGE: u8 = 0;
const GAP: u8 = 1;
const CLASS: u8 = 3;
const LEGACY: u8 = 4;
const KIND: u8 = STREAM | PROMPT | OWN | ANNOUNCEMENT;
const STREAM: u8 = 8;
const PROMPT: u8 = 16;
const OWN: u8 = 32;
const ANNOUNCEMENT: u8 = 64;
const NAMED: u8 = 128;

#[cfg(test)]
mod tests;

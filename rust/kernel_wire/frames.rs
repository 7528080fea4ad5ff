//! The frames of the multipart messages that one drain of a socket returned.
//!
//! Small frames are copied into one shared arena, so that they need no allocation each; large frames are kept without
//! copying. Cost: one copy of the small frames, and of what the arena has each time it grows. A drain that takes no more room than
//! the one before it on this socket grows nothing.

use std::ops::Range;

use bytes::Bytes;

/// Multipart messages in the order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    all: Vec<Bytes>,
    messages: Vec<Range<usize>>,
    bytes: usize,
    room: Room,
}

/// How much room the frames of a drain take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes of small frames.
    arena: usize,
    slots: usize,
    messages: usize,
}

impl Frames {
    /// The room that these frames took.
    pub fn room(&self) -> Room {
        self.room
    }

    /// The bytes of all frames.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The frames of all messages in one list. For callers that collected a single message.
    pub fn into_vec(self) -> Vec<Bytes> {
        self.all
    }

    /// The range of frames of each message.
    pub fn messages(&self) -> &[Range<usize>] {
        &self.messages
    }

    /// The frames in `range`.
    pub fn get(&self, range: Range<usize>) -> &[Bytes] {
        self.all.get(range).unwrap_or_default()
    }
}

/// Collects frames. Call `end_message` after the last frame of each message.
#[derive(Debug, Default)]
pub struct FramesBuilder {
    arena: Vec<u8>,
    slots: Vec<Stored>,
    messages: Vec<Range<usize>>,
    kept: usize,
}

#[derive(Debug)]
enum Stored {
    Copied(Range<usize>),
    Kept(Bytes),
}

impl FramesBuilder {
    /// Begins with this room, but not with more than `MOST_ROOM`.
    pub fn with_room(room: Room) -> Self {
        if room.arena > MOST_ROOM || room.slots > MOST_ROOM {
            return Self::default();
        }
        Self {
            arena: Vec::with_capacity(room.arena),
            slots: Vec::with_capacity(room.slots),
            messages: Vec::with_capacity(room.messages),
            kept: 0,
        }
    }

    /// Adds a frame by copying it. For frames below `KEEP_FROM`.
    pub fn copy(&mut self, frame: &[u8]) {
        let start = self.arena.len();
        make_room(&mut self.arena, frame.len());
        self.arena.extend_from_slice(frame);
        self.push(Stored::Copied(start..self.arena.len()));
    }

    /// Adds a frame without copying it.
    pub fn keep(&mut self, frame: Bytes) {
        self.kept += frame.len();
        self.push(Stored::Kept(frame));
    }

    fn push(&mut self, slot: Stored) {
        make_room(&mut self.slots, 1);
        self.slots.push(slot);
    }

    /// Ends a message: the frames since the last call belong to it.
    pub fn end_message(&mut self) {
        let start = self.messages.last().map_or(0, |last| last.end);
        make_room(&mut self.messages, 1);
        self.messages.push(start..self.slots.len());
    }

    /// All messages that were ended. Frames of an unfinished message are dropped.
    pub fn finish(mut self) -> Frames {
        self.slots.truncate(self.messages.last().map_or(0, |last| last.end));
        let bytes = self.arena.len() + self.kept;
        let room = Room {
            arena: self.arena.len(),
            slots: self.slots.len(),
            messages: self.messages.len(),
        };
        self.arena.shrink_to_fit();
        self.slots.shrink_to_fit();
        let arena = Bytes::from(self.arena);
        let all = self.slots.into_iter().map(|slot| match slot {
            Stored::Copied(range) => arena.slice(range),
            Stored::Kept(frame) => frame,
        });
        Frames {
            all: all.collect(),
            messages: self.messages,
            bytes,
            room,
        }
    }
}

/// Makes room for `more` elements: four times what is needed, because a full heap must move a buffer each time it grows. Only twice
/// if that is much: blocks of 1 MiB get pages of their own from the system each time (`large_block_size`).
fn make_room<T>(buffer: &mut Vec<T>, more: usize) {
    let needed = buffer.len() + more;
    if needed > buffer.capacity() {
        let factor = if needed <= FOURFOLD { 4 } else { 2 };
        buffer.reserve_exact(factor * needed - buffer.len());
    }
}

/// Buffers of up to this many elements grow fourfold.
const FOURFOLD: usize = 16 * 1024;

/// The most bytes, or frames, that room is made for beforehand. A turn of a flood takes some 50 KiB.
const MOST_ROOM: usize = 256 * 1024;

/// Frames of at least this many bytes are kept, smaller ones are copied. For larger frames a copy costs more than a separate
/// owner, and arenas of small frames take little memory even if one message keeps them alive.
pub const KEEP_FROM: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_returned_as_they_were_collected() {
        let large = Bytes::from(vec![7; KEEP_FROM]);
        let mut builder = FramesBuilder::default();
        builder.copy(b"a");
        builder.keep(large.clone());
        builder.copy(b"");
        builder.end_message();
        builder.end_message();
        builder.copy(b"b");
        builder.end_message();
        let frames = builder.finish();
        assert_eq!(frames.bytes(), KEEP_FROM + 2);
        assert_eq!(frames.messages(), [0..3, 3..3, 3..4]);
        assert_eq!(frames.get(0..3), [Bytes::from("a"), large.clone(), Bytes::new()]);
        assert_eq!(frames.get(1..2)[0].as_ptr(), large.as_ptr(), "kept, not copied");
        assert_eq!(frames.get(3..4), ["b"]);
        assert!(frames.get(3..9).is_empty());
    }
}

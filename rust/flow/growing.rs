//! The frame of a `stream` while texts are inserted into it: the payload is built in its final place.
//!
//! Must not know which texts may be merged; see `merge`. Cost: one copy of each text, and of the buffer each time it grows
//! fourfold.

use super::entry::Entry;
use super::frame::{Frame, LONGEST_HEAD};
use crate::client_wire::Protocol;
use crate::reader::wide;

/// A frame that texts are inserted into: its payload up to there. Before it there is room for the head of the longest frame.
pub struct GrowingFrame {
    bytes: Vec<u8>,
    /// The length of `bytes` without the texts.
    before: usize,
}

impl GrowingFrame {
    /// Texts are inserted at the position `cut` of the frame.
    pub fn new(frame: &Frame, cut: usize) -> Self {
        let (before, _) = frame.split(cut);
        let before = [&[0; LONGEST_HEAD], before].concat();
        Self {
            before: before.len(),
            bytes: before,
        }
    }

    /// Bytes of the texts.
    pub fn added(&self) -> usize {
        self.bytes.len() - self.before
    }

    /// Appends a text. `limit`: bytes of merged text. Buffers that are full have equal sizes, so the allocator finds room for one
    /// where another one was; many sizes would fragment the heap.
    pub fn push(&mut self, text: &[u8], limit: u64) {
        let needed = self.bytes.len() + text.len();
        if needed > self.bytes.capacity() {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let most = limit.saturating_add(self.before + ROOM_AFTER);
            let wanted = needed.max(most.min(4 * needed));
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(text);
    }

    /// The frame of `entry`, whose position `cut` the texts were inserted at.
    pub fn close(mut self, entry: &Entry, cut: usize) -> Frame {
        let (_, after) = entry.frame.split(cut);
        self.bytes.extend_from_slice(after);
        if entry.protocol == Protocol::V1 {
            // The content is the last part, so only the last offset changes, which is the length of the payload
            let end = wide(self.bytes.len() - LONGEST_HEAD).to_le_bytes();
            let from = LONGEST_HEAD + LAST_OFFSET;
            if let Some(offset) = self.bytes.get_mut(from..from + end.len()) {
                offset.copy_from_slice(&end);
            }
        }
        if 16 * self.bytes.len() < 15 * self.bytes.capacity() {
            self.bytes.shrink_to_fit();
        }
        Frame::with_room(entry.frame.opcode(), self.bytes)
    }
}

/// Bytes that are reserved for the end of a message after its text.
const ROOM_AFTER: usize = 64;

/// The position of the last offset in a v1 message of four parts: after the count and five offsets.
const LAST_OFFSET: usize = 8 * 6;

#[cfg(test)]
mod tests;

//! WebSocket messages as they stand on the wire, in memory that they share with those they were encoded with.
//!
//! So putting a message into one more outbox costs a reference, and messages that leave as they came leave uncopied. What
//! is left of a buffer when most of it is gone is copied by `unshare`, or it would keep all of it alive.

use std::sync::Arc;

use bytes::Bytes;

use super::source::Source;
use crate::client_wire::Protocol;
use crate::client_wire::gather::{Gather, Segments};
use crate::client_wire::websocket::{Opcode, put_head};

/// The messages of a batch, encoded for a subprotocol.
pub struct Encoded {
    /// The frames, one after the other.
    pub source: Arc<Source>,
    /// Where the frame of each message ends; where the one before it ends, if the message is left out.
    pub ends: Vec<usize>,
    /// What they are encoded for.
    pub protocol: Protocol,
}

/// One WebSocket message with its head: an unmasked RFC 6455 frame; or several, one after the other.
#[derive(Clone)]
pub struct Frame {
    source: Arc<Source>,
    start: usize,
    end: usize,
}

impl Frame {
    /// The range `start..end` of `source`.
    pub fn new(source: &Arc<Source>, start: usize, end: usize) -> Self {
        Self {
            source: Arc::clone(source),
            start,
            end,
        }
    }

    /// A message of its own, of the pieces of its payload.
    pub fn own(opcode: Opcode, payload: &[&[u8]]) -> Self {
        let len = payload.iter().map(|piece| piece.len()).sum();
        let mut gather = Gather::with_capacity(LONGEST_HEAD + len);
        put_head(&mut gather, opcode, len);
        for piece in payload {
            gather.copy(piece);
        }
        Self::alone(Bytes::from(gather.into_vec()))
    }

    /// All of `bytes`.
    pub fn alone(bytes: Bytes) -> Self {
        let end = bytes.len();
        Self {
            source: Source::new(bytes, None),
            start: 0,
            end,
        }
    }

    /// The length on the wire.
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Head and payload, up to the first buffer that is shared: all of a message that can be merged.
    pub fn bytes(&self) -> &[u8] {
        self.source.first(&(self.start..self.end))
    }

    /// Head and payload, a piece for each place they are in.
    pub fn pieces(&self) -> impl Iterator<Item = Bytes> {
        self.source.pieces(self.start..self.end)
    }

    /// Head and payload in one place, copied only if they are in several.
    fn flat(&self) -> Bytes {
        let pieces: Vec<Bytes> = self.pieces().collect();
        match &pieces[..] {
            [only] => only.clone(),
            _ => Bytes::from(pieces.concat()),
        }
    }

    /// Text or binary.
    pub fn opcode(&self) -> Opcode {
        match self.bytes().first() {
            Some(0x81) => Opcode::Text,
            _ => Opcode::Binary,
        }
    }

    fn head_len(&self) -> usize {
        match self.bytes().get(1) {
            Some(126) => 4,
            Some(127) => LONGEST_HEAD,
            _ => 2,
        }
    }

    /// The message without its head, up to the first buffer that is shared.
    pub fn payload(&self) -> &[u8] {
        self.bytes().get(self.head_len()..).unwrap_or_default()
    }

    /// The length of the message without its head.
    pub fn payload_len(&self) -> usize {
        self.len().saturating_sub(self.head_len())
    }

    /// All of the payload, in one place.
    pub fn shared_payload(&self) -> Bytes {
        let mut flat = self.flat();
        flat.split_off(self.head_len().min(flat.len()))
    }

    /// Takes in `next`, if it follows in the same source.
    pub fn extend(&mut self, next: &Self) -> bool {
        let follows = self.end == next.start && Arc::ptr_eq(&self.source, &next.source);
        if follows {
            self.end = next.end;
        }
        follows
    }

    /// The source, if this is all of it.
    pub fn whole(&self) -> Option<&Source> {
        (self.start == 0 && self.end == self.source.len()).then_some(&*self.source)
    }

    /// Whether this is a part of `source`.
    pub fn is_of(&self, source: &Arc<Source>) -> bool {
        Arc::ptr_eq(&self.source, source)
    }

    /// What it shares.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Copies the bytes if they are the lesser part of what they keep alive.
    pub fn unshare(&mut self) {
        if 2 * self.len() < self.source.len() {
            let pieces: Vec<Bytes> = self.pieces().collect();
            *self = Self::alone(Bytes::from(pieces.concat()));
        }
    }
}

/// Frames that leave together; those that follow each other in memory are one.
#[derive(Default)]
pub struct FrameList {
    /// In the order of writing.
    pub pieces: Vec<Frame>,
}

impl FrameList {
    /// Appends a frame.
    pub fn push(&mut self, frame: &Frame) {
        if !self.pieces.last_mut().is_some_and(|last| last.extend(frame)) {
            self.pieces.push(frame.clone());
        }
    }

    /// The bytes of all.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Frame::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The one source whose bytes these are, no more and no less.
    pub fn whole(&self) -> Option<&Source> {
        match &self.pieces[..] {
            [only] => only.whole(),
            _ => None,
        }
    }

    /// The bytes of all in order: what is large shared, what is small put together.
    pub fn into_segments(self) -> Vec<Bytes> {
        let mut segments = Segments::default();
        let pieces = self.pieces.iter().flat_map(Frame::pieces);
        pieces.for_each(|piece| segments.share(piece));
        segments.finish()
    }
}

/// The length on the wire of a message with `payload` bytes.
pub fn framed_len(payload: usize) -> usize {
    payload
        + match payload {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => LONGEST_HEAD,
        }
}

/// The head of a frame with 64 KiB or more.
const LONGEST_HEAD: usize = 10;

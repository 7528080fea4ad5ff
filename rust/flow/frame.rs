//! WebSocket messages as they stand on the wire, in memory that they share with those they were encoded with.
//!
//! So putting a message into one more outbox costs a reference, and messages that leave as they came leave uncopied. What
//! is left of a buffer when most of it is gone is copied by `unshare`, or it would keep all of it alive.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;

use crate::client_wire::Protocol;
use crate::client_wire::gather::Gather;
use crate::client_wire::websocket::{Opcode, put_head};

/// Encoded bytes that several frames share.
pub struct Source {
    bytes: Bytes,
    object: Option<Box<dyn Any + Send + Sync>>,
}

impl Source {
    /// `object` is what the caller knows the bytes by; it is handed back where all of them leave at once.
    pub fn new(bytes: Bytes, object: Option<Box<dyn Any + Send + Sync>>) -> Arc<Self> {
        Arc::new(Self { bytes, object })
    }

    /// The length of all of it.
    #[allow(clippy::len_without_is_empty)] // nobody asks
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What `new` was given.
    pub fn object(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.object.as_deref()
    }
}

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

    /// Head and payload.
    pub fn bytes(&self) -> &[u8] {
        self.source.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Text or binary.
    pub fn opcode(&self) -> Opcode {
        match self.bytes().first() {
            Some(0x81) => Opcode::Text,
            _ => Opcode::Binary,
        }
    }

    /// The message without its head.
    pub fn payload(&self) -> &[u8] {
        let bytes = self.bytes();
        let head = match bytes.get(1) {
            Some(126) => 4,
            Some(127) => LONGEST_HEAD,
            _ => 2,
        };
        bytes.get(head..).unwrap_or_default()
    }

    /// The payload as shared bytes.
    pub fn shared_payload(&self) -> Bytes {
        self.source.bytes.slice_ref(self.payload())
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
            *self = Self::alone(Bytes::copy_from_slice(self.bytes()));
        }
    }
}

/// Frames that leave together; those that follow each other in memory are one.
#[derive(Default)]
pub struct Frames {
    /// In the order of writing.
    pub pieces: Vec<Frame>,
}

impl Frames {
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

    /// Writes all frames to `out`, which is `len` bytes long.
    pub fn write(&self, mut out: &mut [u8]) {
        for piece in &self.pieces {
            if let Some((place, tail)) = std::mem::take(&mut out).split_at_mut_checked(piece.len()) {
                place.copy_from_slice(piece.bytes());
                out = tail;
            }
        }
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

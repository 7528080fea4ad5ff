//! Encoded WebSocket frames. The frames of a batch share one buffer, the `Source`; one that is needed alone has its own.
//!
//! So adding a message to another outbox costs one reference, and frames that are sent unchanged are not copied. A frame
//! keeps all of its source in memory; `unshare` copies the frame when it is less than half of its source.

use std::sync::Arc;

use bytes::Bytes;

use super::source::Source;
use crate::client_wire::Protocol;
use crate::client_wire::gather::{Gather, Segments};
use crate::client_wire::v1;
use crate::client_wire::websocket::{Opcode, put_head};

/// One unmasked RFC 6455 frame, head and payload; in a `FrameList`, also several consecutive ones.
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

    /// Builds a frame of a payload with its own buffer.
    pub fn own(opcode: Opcode, payload: &[u8]) -> Self {
        Self::with_room(opcode, [&[0; LONGEST_HEAD], payload].concat())
    }

    /// The frame of a payload that follows `LONGEST_HEAD` bytes of room. Cost: no copy.
    pub fn with_room(opcode: Opcode, mut bytes: Vec<u8>) -> Self {
        let mut head = Gather::with_capacity(LONGEST_HEAD);
        put_head(&mut head, opcode, bytes.len().saturating_sub(LONGEST_HEAD));
        let head = head.into_vec();
        let start = LONGEST_HEAD.saturating_sub(head.len());
        if let Some(room) = bytes.get_mut(start..start + head.len()) {
            room.copy_from_slice(&head);
        }
        Self::alone(Bytes::from(bytes).slice(start..))
    }

    /// A kernel's message, encoded for v1.
    pub fn of_parts(channel: &str, parts: &[Bytes]) -> Self {
        let mut gather = Gather::default();
        put_head(&mut gather, Opcode::Binary, v1::encoded_len(channel, parts));
        v1::encode(channel, parts, &mut gather);
        Self::alone(Bytes::from(gather.into_vec().into_boxed_slice()))
    }

    /// A frame that is all of `bytes`.
    pub fn alone(bytes: Bytes) -> Self {
        let end = bytes.len();
        Self {
            source: Source::new(bytes, None),
            start: 0,
            end,
        }
    }

    /// The length on the wire in bytes.
    #[allow(clippy::len_without_is_empty)] // a frame has a head
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Head and payload, up to the first large buffer. A message that can be merged has no buffers, so this is all of it.
    pub fn bytes(&self) -> &[u8] {
        self.source.first(&(self.start..self.end))
    }

    /// Head and payload as one piece for each segment of the source.
    pub fn pieces(&self) -> impl Iterator<Item = Bytes> {
        self.source.pieces(self.start..self.end)
    }

    /// Head and payload in one place; copied only if they are in several segments.
    fn flat(&self) -> Bytes {
        let pieces: Vec<Bytes> = self.pieces().collect();
        match &pieces[..] {
            [only] => only.clone(),
            _ => Bytes::from(pieces.concat()),
        }
    }

    /// Whether the frame is text or binary.
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

    /// The payload, up to the first large buffer.
    pub fn payload(&self) -> &[u8] {
        self.bytes().get(self.head_len()..).unwrap_or_default()
    }

    /// The payload before and after the position `cut` of the frame, up to the first large buffer.
    pub fn split(&self, cut: usize) -> (&[u8], &[u8]) {
        let payload = self.payload();
        let cut = cut.saturating_sub(self.len() - payload.len());
        payload.split_at_checked(cut).unwrap_or((payload, b""))
    }

    /// The length of the whole payload in bytes.
    pub fn payload_len(&self) -> usize {
        self.len().saturating_sub(self.head_len())
    }

    /// The whole payload in one place; copied only if it is in several segments.
    pub fn shared_payload(&self) -> Bytes {
        let mut flat = self.flat();
        flat.split_off(self.head_len().min(flat.len()))
    }

    /// Extends this frame by `next`. False: `next` does not follow it in the same source.
    pub fn extend(&mut self, next: &Self) -> bool {
        let follows = self.end == next.start && Arc::ptr_eq(&self.source, &next.source);
        if follows {
            self.end = next.end;
        }
        follows
    }

    /// The source, if this frame is all of it.
    pub fn whole(&self) -> Option<&Source> {
        (self.start == 0 && self.end == self.source.len()).then_some(&*self.source)
    }

    /// Whether this frame is in `source`.
    pub fn is_of(&self, source: &Arc<Source>) -> bool {
        Arc::ptr_eq(&self.source, source)
    }

    /// The buffer of the frame.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Copies the frame to a buffer of its own if it is less than half of its source.
    pub fn unshare(&mut self) {
        if 2 * self.len() < self.source.len() {
            self.copy();
        }
    }

    /// Copies the frame to a buffer of its own unless it is nearly all of its source.
    pub fn detach(&mut self) {
        if 11 * self.len() < 10 * self.source.len() {
            self.copy();
        }
    }

    fn copy(&mut self) {
        let pieces: Vec<Bytes> = self.pieces().collect();
        *self = Self::alone(Bytes::from(pieces.concat()));
    }
}

/// Frames for one write. Frames that are consecutive in the same source are joined.
#[derive(Default)]
pub struct FrameList {
    /// The frames in the order of writing.
    pub pieces: Vec<Frame>,
}

impl FrameList {
    /// Appends a frame.
    pub fn push(&mut self, frame: &Frame) {
        if !self.pieces.last_mut().is_some_and(|last| last.extend(frame)) {
            self.pieces.push(frame.clone());
        }
    }

    /// The length of all frames in bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Frame::len).sum()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The source, if the list is exactly all of one source.
    pub fn whole(&self) -> Option<&Source> {
        match &self.pieces[..] {
            [only] => only.whole(),
            _ => None,
        }
    }

    /// The bytes of all frames in order: large pieces shared, consecutive small ones copied together.
    pub fn into_segments(self) -> Vec<Bytes> {
        let mut segments = Segments::default();
        let pieces = self.pieces.iter().flat_map(Frame::pieces);
        pieces.for_each(|piece| segments.share(piece));
        segments.finish()
    }
}

/// Where the content begins in the frame, if the frame has it as the kernel wrote it. `frame` has at least the first segment of
/// the `len` bytes.
pub fn content_start(frame: &[u8], len: usize, protocol: Protocol, content: &[u8]) -> Option<usize> {
    let tail = match protocol {
        Protocol::V1 => 0,
        Protocol::Legacy => LEGACY_TAIL.len(),
    };
    let end = len.checked_sub(tail)?;
    let start = end.checked_sub(content.len())?;
    (frame.get(start..end)? == content).then_some(start)
}

/// The length on the wire of a frame with `payload` bytes of payload.
pub fn framed_len(payload: usize) -> usize {
    payload
        + match payload {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => LONGEST_HEAD,
        }
}

/// Bytes of the head of a frame with a payload of 64 KiB or more.
pub const LONGEST_HEAD: usize = 10;

/// The end of a legacy IOPub message without buffers, after the content.
const LEGACY_TAIL: &str = ",\"buffers\":[],\"channel\":\"iopub\"}";

//! A batch, encoded for one subprotocol, which all outboxes and the journal share.
//!
//! It is encoded when a frame is asked for. In a flood few are: texts are merged into messages that outboxes have already. So of one
//! row of texts the first frame is encoded alone, and all of them if another one is needed. Must not change the batch. Cost: a
//! reference for each frame; its texts are put together when first asked for.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::frame::Frame;
use super::source::Source;
use super::texts::Texts;
use crate::batch::Batch;
use crate::client_wire::Protocol;
use crate::client_wire::gather::Gather;
use crate::error::Malformed;

/// The messages of a batch, encoded for a subprotocol.
pub struct Encoded {
    /// The messages.
    pub batch: Arc<Batch>,
    /// The subprotocol.
    pub protocol: Protocol,
    pack: Pack,
    /// A message of one row of texts, and its frame.
    first: OnceLock<(usize, Frame)>,
    frames: OnceLock<Frames>,
    texts: OnceLock<Texts>,
}

/// Makes a source of the bytes of all frames. It runs while an outbox or a journal is locked.
pub type Pack = fn(Gather<'_>) -> Arc<Source>;

struct Frames {
    source: Arc<Source>,
    /// For each message, the position in `source` after its frame. A message that was refused ends where the one before it ends.
    ends: Vec<usize>,
    refused: Vec<Malformed>,
}

impl Encoded {
    /// Encodes nothing yet.
    pub fn new(batch: Arc<Batch>, protocol: Protocol, pack: Pack) -> Self {
        Self {
            batch,
            protocol,
            pack,
            first: OnceLock::new(),
            frames: OnceLock::new(),
            texts: OnceLock::new(),
        }
    }

    /// The same without texts, so that its messages are appended one by one.
    #[cfg(test)]
    #[must_use]
    pub fn one_by_one(self) -> Self {
        let texts = OnceLock::from(Texts::default());
        Self { texts, ..self }
    }

    /// Takes the encoded batch from a caller that has made it beforehand; see `Batch::wire`.
    pub fn fill(&self, source: Arc<Source>, ends: Vec<usize>, refused: Vec<Malformed>) {
        self.frames.get_or_init(|| Frames { source, ends, refused });
    }

    fn frames(&self) -> &Frames {
        self.frames.get_or_init(|| {
            let wire = self.batch.wire(self.protocol);
            Frames {
                source: (self.pack)(wire.gather),
                ends: wire.ends,
                refused: wire.refused,
            }
        })
    }

    /// The bytes of all frames in order.
    pub fn source(&self) -> &Arc<Source> {
        &self.frames().source
    }

    /// The bytes of all frames in order; None if they were not needed so far.
    pub fn source_if_any(&self) -> Option<&Arc<Source>> {
        self.frames.get().map(|frames| &frames.source)
    }

    /// The faults of messages that the subprotocol cannot carry.
    pub fn refused(&self) -> &[Malformed] {
        if self.may_need_one() {
            return &[];
        }
        &self.frames().refused
    }

    /// Whether a message was refused.
    pub fn is_refused(&self, index: usize) -> bool {
        !self.may_need_one() && self.place(index).is_empty()
    }

    /// The range of the frame of a message in the source; empty if the message was refused.
    pub fn place(&self, index: usize) -> Range<usize> {
        let ends = &self.frames().ends;
        let end = |index: usize| ends.get(index).copied().unwrap_or_default();
        index.checked_sub(1).map_or(0, end)..end(index)
    }

    /// The frame of a message.
    pub fn frame(&self, index: usize) -> Frame {
        if self.may_need_one() {
            let (first, frame) = self.first.get_or_init(|| (index, self.alone(index)));
            if *first == index {
                return frame.clone();
            }
        }
        let place = self.place(index);
        Frame::new(self.source(), place.start, place.end)
    }

    fn alone(&self, index: usize) -> Frame {
        let wire = self.batch.wire_of(index..index + 1, self.protocol);
        Frame::alone(Bytes::from(wire.gather.into_vec().into_boxed_slice()))
    }

    /// Whether it may be that no frame is needed, or one.
    fn may_need_one(&self) -> bool {
        self.frames.get().is_none() && self.is_one_row()
    }

    /// The texts of the batch.
    pub fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| Texts::of(&self.batch, self.protocol))
    }

    /// Whether its messages are one row of texts, so that few frames are needed.
    pub fn is_one_row(&self) -> bool {
        let messages = self.batch.messages().len();
        messages > 1 && self.batch.channel() == "iopub" && self.texts().row_end(0) == messages
    }
}

#[cfg(test)]
mod tests;

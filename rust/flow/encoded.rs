//! A batch, encoded for one subprotocol, which all outboxes and the journal share.
//!
//! It is encoded when a frame is asked for, if the caller has not encoded it beforehand. In a flood few are asked for:
//! texts are merged into messages that outboxes have already. So of one row of texts the frame that is needed first is
//! encoded alone, and all of them if another one is needed. Must not change the batch. Cost: a reference for each frame.
//! Encoding, the scan of texts and their check for legacy clients are done once; one frame of a row may be encoded twice.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::frame::{Frame, content_start};
use super::source::Source;
use super::texts::{self, Texts};
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
    /// The first message of one row whose frame was needed, and the frame.
    first: OnceLock<(usize, Frame)>,
    frames: OnceLock<Frames>,
    texts: OnceLock<Texts>,
}

/// Makes a source of the bytes of all frames. An outbox or a journal may be locked while it runs, so it must not call
/// them or wait for the GIL.
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

    /// Whether a frame is not in the source, though the source has its bytes.
    pub fn is_split(&self) -> bool {
        self.first.get().is_some() && self.frames.get().is_some()
    }

    /// The faults of messages that the subprotocol cannot carry.
    pub fn refused(&self) -> &[Malformed] {
        if self.is_unencoded_row() {
            return &[];
        }
        &self.frames().refused
    }

    /// Whether a message was refused.
    pub fn is_refused(&self, index: usize) -> bool {
        !self.is_unencoded_row() && self.place(index).is_empty()
    }

    /// The range of the frame of a message in the source; empty if the message was refused.
    pub fn place(&self, index: usize) -> Range<usize> {
        self.frames().place(index)
    }

    /// The frame of a message.
    pub fn frame(&self, index: usize) -> Frame {
        if self.is_unencoded_row() {
            self.first.get_or_init(|| (index, self.alone(index)));
        }
        // All outboxes and the journal share it, even if others of this batch were needed since
        if let Some((_, first)) = self.first.get().filter(|(first, _)| *first == index) {
            return first.clone();
        }
        let place = self.place(index);
        Frame::new(self.source(), place.start, place.end)
    }

    fn alone(&self, index: usize) -> Frame {
        let wire = self.batch.wire_of(index..index + 1, self.protocol);
        Frame::alone(Bytes::from(wire.gather.into_vec().into_boxed_slice()))
    }

    fn is_unencoded_row(&self) -> bool {
        self.frames.get().is_none() && self.is_one_row()
    }

    /// The texts of the batch.
    pub fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| {
            // To check one message for legacy clients takes as long as to encode it
            let frames = match self.protocol {
                Protocol::Legacy if !texts::may_be_one_row(&self.batch) => Some(self.frames()),
                _ => self.frames.get(),
            };
            Texts::of(&self.batch, |index, message, content| match (self.protocol, frames) {
                // Refuses nothing and changes nothing
                (Protocol::V1, _) => true,
                (Protocol::Legacy, None) => self.batch.is_legacy_as_it_is(message),
                (Protocol::Legacy, Some(frames)) => frames.have_as_it_is(index, content),
            })
        })
    }

    /// Whether its messages are one row of texts. Then those who merge them need few frames.
    pub fn is_one_row(&self) -> bool {
        let may_be = || self.texts.get().is_some() || texts::may_be_one_row(&self.batch);
        self.batch.messages().len() > 1 && may_be() && self.is_row(self.texts())
    }

    /// Whether it is known without more work that they are one row.
    pub fn is_known_row(&self) -> bool {
        self.texts.get().is_some_and(|texts| self.is_row(texts))
    }

    fn is_row(&self, texts: &Texts) -> bool {
        let messages = self.batch.messages().len();
        messages > 1 && texts.row_end(0) == messages
    }
}

impl Frames {
    fn place(&self, index: usize) -> Range<usize> {
        let end = |index: usize| self.ends.get(index).copied().unwrap_or_default();
        index.checked_sub(1).map_or(0, end)..end(index)
    }

    /// Whether the legacy frame of a message without buffers has `content`, which is its own, as the kernel wrote it.
    fn have_as_it_is(&self, index: usize, content: &[u8]) -> bool {
        let place = self.place(index);
        content_start(self.source.first(&place), place.len(), Protocol::Legacy, content).is_some()
    }
}

#[cfg(test)]
mod tests;

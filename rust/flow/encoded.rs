//! A batch, encoded for one subprotocol, which all outboxes and the journal share.
//!
//! Must not change the batch. Cost: a reference for each frame; its texts are put together when first asked for.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::frame::{Frame, content_start};
use super::source::Source;
use super::texts::Texts;
use crate::batch::Batch;
use crate::client_wire::Protocol;

/// The messages of a batch, encoded for a subprotocol.
pub struct Encoded {
    /// The bytes of all frames in order.
    pub source: Arc<Source>,
    /// The subprotocol.
    pub protocol: Protocol,
    /// For each message, the position after its frame. A message that was refused ends where the one before it ends.
    ends: Vec<usize>,
    texts: OnceLock<Texts>,
}

impl Encoded {
    /// The frames of a batch. `ends`: for each message, the position in `source` after its frame; that of the message before it,
    /// if it was refused.
    pub fn new(source: Arc<Source>, ends: Vec<usize>, protocol: Protocol) -> Self {
        Self {
            source,
            protocol,
            ends,
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

    /// The range of the frame of a message in `source`; empty if the message was refused.
    pub fn place(&self, index: usize) -> Range<usize> {
        let end = |index: usize| self.ends.get(index).copied().unwrap_or_default();
        index.checked_sub(1).map_or(0, end)..end(index)
    }

    /// The frame of a message.
    pub fn frame(&self, index: usize) -> Frame {
        let place = self.place(index);
        Frame::new(&self.source, place.start, place.end)
    }

    /// Whether the frame of a message without buffers has `content`, which is its own, as the kernel wrote it.
    fn has_as_it_is(&self, index: usize, content: &[u8]) -> bool {
        let place = self.place(index);
        match self.protocol {
            // Refuses nothing and changes nothing
            Protocol::V1 => true,
            Protocol::Legacy => content_start(self.source.first(&place), place.len(), self.protocol, content).is_some(),
        }
    }

    /// The texts of `batch`, of which these are the frames.
    pub fn texts(&self, batch: &Batch) -> &Texts {
        self.texts
            .get_or_init(|| Texts::of(batch, |index, content| self.has_as_it_is(index, content)))
    }
}

//! Turns the frames of a socket into a batch of verified messages.
//!
//! For each message it splits the frames, checks the signature, looks for a replay and reads the header. If one of these
//! fails, the batch gets the fault instead of the message. Must not use Python objects, so that the caller can release the
//! GIL. Cost: the digest of each message, and the scan of its headers; a parent_header equal to the one before it is not
//! scanned again.

use std::ops::Range;

use bytes::Bytes;

use crate::batch::{Batch, Message};
use crate::error::{Malformed, Result};
use crate::kernel_wire::frames::Frames;
use crate::kernel_wire::header::Fields;
use crate::kernel_wire::multipart;
use crate::kernel_wire::replay::ReplayWindow;
use crate::kernel_wire::signature::Signer;

/// Receives the messages of one socket and owns that socket's replay window.
#[derive(Debug)]
pub struct Receiver {
    /// The signer and the replay window. None: signatures and replays are not checked.
    verify: Option<(Signer, ReplayWindow)>,
    json: bool,
}

impl Receiver {
    /// `json`: the parts are JSON, so headers are read.
    pub fn new(signer: Signer, digest_history_size: usize, verify: bool, json: bool) -> Self {
        Self {
            verify: verify.then(|| (signer, ReplayWindow::new(digest_history_size))),
            json,
        }
    }

    /// Reads the messages of one drain, in the order of arrival.
    pub fn process(&mut self, channel: &str, frames: Frames) -> Batch {
        let mut messages: Vec<Message> = Vec::with_capacity(frames.messages().len());
        let mut malformed = Vec::new();
        for range in frames.messages() {
            let before = messages.last().and_then(|message| message.parent_of(&frames));
            match self.read(&frames, before, range.clone()) {
                Ok(message) => messages.push(message),
                Err(fault) => malformed.push(fault),
            }
        }
        Batch::new(channel, frames, messages, malformed)
    }

    /// Reads the message in these frames. `before`: see `Fields::read_after`.
    fn read(&mut self, frames: &Frames, before: Option<(&Bytes, &Fields)>, range: Range<usize>) -> Result<Message> {
        let envelope = multipart::split(frames.get(range.clone()))?;
        if let Some((signer, window)) = &mut self.verify
            && let Some(digest) = signer.verify(envelope.signature, envelope.parts)?
            && !window.enter(digest.prefix())
        {
            return Err(Malformed::Duplicate);
        }
        let fields = if self.json {
            Some(Fields::read_after(before, envelope.parts)?)
        } else {
            None
        };
        let parts = range.end - envelope.parts.len();
        Ok(Message::new(range, parts, fields))
    }
}

#[cfg(test)]
mod tests;

//! The verified messages that one drain of a socket returned, shared by all clients of the kernel.
//!
//! A batch owns the frames and the few header fields that the outboxes need. It must not decide which client gets a
//! message. Messages can be rewritten (redacted, or adapted for legacy clients); `wire` then encodes all of them for a
//! subprotocol. A `Wire` copies small parts together and borrows larger ones, which are copied only once, when the
//! caller writes the wire to its destination. The largest buffers are shared, and need no copy at all. A batch caches no
//! encoded bytes; the caller keeps them.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::client_wire::gather::Gather;
use crate::client_wire::websocket::{Opcode, put_head};
use crate::client_wire::{Protocol, legacy, v1};
use crate::error::{Malformed, Result};
use crate::kernel_wire::frames::Frames;
use crate::kernel_wire::header::{Fields, Text};
use crate::kernel_wire::signature::SIGNED_PARTS;
use crate::kernel_wire::stream::StreamContent;
use crate::reader::wide;

/// Messages of one channel in the order of arrival.
#[derive(Clone, Debug)]
pub struct Batch {
    channel: Box<str>,
    frames: Frames,
    messages: Vec<Message>,
    malformed: Vec<Malformed>,
    kernel_session: Option<Text>,
}

/// One message of a batch.
#[derive(Clone, Debug)]
pub struct Message {
    frames: Range<usize>,
    parts: usize,
    fields: Option<Fields>,
    /// Replaced parts for all clients.
    rewritten: Option<Box<[Bytes]>>,
    /// Replaced parts for legacy clients only.
    legacy: Option<Box<[Bytes]>>,
    /// Name and text of a `stream`, once an outbox or a journal has asked for them.
    stream: OnceLock<StreamContent>,
}

/// `msg_type`, the parent's `msg_type`, and the `execution_state` of a status.
pub type Activity<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

/// The messages of a batch as WebSocket frames.
#[derive(Debug)]
pub struct Wire<'a> {
    /// The bytes of all frames in order.
    pub gather: Gather<'a>,
    /// For each message, the position after its frame. A message that was refused ends where the one before it ends.
    pub ends: Vec<usize>,
    /// The faults of messages that the subprotocol cannot carry.
    pub refused: Vec<Malformed>,
}

impl Message {
    /// A message whose frames are the range `frames` of its batch, and whose parts begin at the frame `parts`.
    pub fn new(frames: Range<usize>, parts: usize, fields: Option<Fields>) -> Self {
        Self {
            frames,
            parts,
            fields,
            rewritten: None,
            legacy: None,
            stream: OnceLock::new(),
        }
    }

    /// The fields of the message. None if its parts are not JSON and were not rewritten.
    pub fn fields(&self) -> Option<&Fields> {
        self.fields.as_ref()
    }

    /// The parent_header as received in `frames`, and the fields. None if they were not read.
    pub fn parent_of<'a>(&'a self, frames: &'a Frames) -> Option<(&'a Bytes, &'a Fields)> {
        let parent = frames.get(self.parts..self.frames.end).get(1)?;
        self.fields.as_ref().map(|fields| (parent, fields))
    }

    /// The `msg_type`; empty if the header was not read.
    pub fn msg_type(&self) -> &str {
        self.fields
            .as_ref()
            .map_or("", |fields| fields.header.msg_type.as_str())
    }

    /// Whether the `msg_type` is `name`.
    pub fn is(&self, name: &str) -> bool {
        let fields = self.fields.as_ref();
        fields.is_some_and(|fields| fields.header.msg_type.as_bytes() == name.as_bytes())
    }

    /// Name and text of a `stream` with this content, as rewritten for all clients.
    pub fn stream(&self, content: &[u8]) -> &StreamContent {
        self.stream.get_or_init(|| StreamContent::of(content))
    }

    /// Whether it is a status with the execution_state idle.
    pub fn is_idle(&self) -> bool {
        let state = self.fields.as_ref().and_then(|fields| fields.execution_state.as_ref());
        state.is_some_and(|state| state.as_bytes() == b"idle")
    }

    fn is_child_of(&self, session: &str) -> bool {
        let parent = self.fields.as_ref().and_then(|fields| fields.parent.session.as_ref());
        parent.is_some_and(|parent| parent.as_bytes() == session.as_bytes())
    }
}

impl Batch {
    /// A batch of `messages`, whose ranges refer to `frames`.
    pub fn new(channel: &str, frames: Frames, messages: Vec<Message>, malformed: Vec<Malformed>) -> Self {
        let last_session = |message: &Message| message.fields.as_ref()?.header.session.clone();
        let kernel_session = messages.iter().rev().find_map(last_session);
        Self {
            channel: channel.into(),
            frames,
            messages,
            malformed,
            kernel_session,
        }
    }

    /// The bytes of all frames, those of malformed messages included.
    pub fn bytes(&self) -> usize {
        self.frames.bytes()
    }

    /// The channel of all messages.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The messages, without those that were discarded.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The faults of the malformed messages, in order of arrival.
    pub fn malformed(&self) -> &[Malformed] {
        &self.malformed
    }

    /// `header.session` of the last message that has one.
    pub fn kernel_session(&self) -> Option<&str> {
        self.kernel_session.as_ref().map(Text::as_str)
    }

    /// The frames of a message as received, with its identities.
    pub fn frames(&self, message: &Message) -> &[Bytes] {
        self.frames.get(message.frames.clone())
    }

    /// The parts of a message, as rewritten for all clients.
    pub fn parts<'a>(&'a self, message: &'a Message) -> &'a [Bytes] {
        match &message.rewritten {
            Some(parts) => parts,
            None => self.frames.get(message.parts..message.frames.end),
        }
    }

    fn legacy_parts<'a>(&'a self, message: &'a Message) -> &'a [Bytes] {
        message.legacy.as_deref().unwrap_or_else(|| self.parts(message))
    }

    /// The activity of each message, without consecutive repeats.
    pub fn activity(&self) -> Vec<Activity<'_>> {
        let mut found: Vec<&Fields> = Vec::new();
        for fields in self.messages.iter().filter_map(Message::fields) {
            if !found.last().is_some_and(|before| has_same_activity(before, fields)) {
                found.push(fields);
            }
        }
        found.into_iter().map(activity_of).collect()
    }

    /// The indices of messages that jupyter_client's Session must still adapt for legacy clients.
    pub fn unusual(&self) -> Vec<usize> {
        let adapted = |message: &Message| message.legacy.is_some();
        let unusual =
            |message: &Message| !adapted(message) && message.fields.as_ref().is_none_or(|fields| fields.header.unusual);
        let found = self.messages.iter().enumerate().filter(|(_, message)| unusual(message));
        found.map(|(index, _)| index).collect()
    }

    /// Replaces the parts of a message, and reads its header if it was not read. False: the index is out of range.
    pub fn rewrite(&mut self, index: usize, parts: Vec<Bytes>, legacy_only: bool) -> Result<bool> {
        if parts.len() < SIGNED_PARTS {
            return Err(Malformed::MissingParts(wide(parts.len())));
        }
        let Some(message) = self.messages.get_mut(index) else {
            return Ok(false);
        };
        if message.fields.is_none() {
            let fields = Fields::read(&parts)?;
            self.kernel_session = fields.header.session.clone().or(self.kernel_session.take());
            message.fields = Some(fields);
        }
        let parts = Some(parts.into_boxed_slice());
        if legacy_only {
            message.legacy = parts;
        } else {
            message.rewritten = parts;
            message.stream = OnceLock::new();
        }
        Ok(true)
    }

    /// Drops the messages whose parent_header has the session `parent_session`, and those of `msg_type`. Returns how many.
    pub fn discard(&mut self, parent_session: &str, msg_type: Option<&str>) -> usize {
        let before = self.messages.len();
        self.messages.retain(|message| {
            !(message.is_child_of(parent_session) || msg_type.is_some_and(|name| message.msg_type() == name))
        });
        before - self.messages.len()
    }

    /// Whether legacy clients get a message, and with the JSON parts that its `parts` are.
    pub fn is_legacy_as_it_is(&self, message: &Message) -> bool {
        message.legacy.is_none()
            && legacy::Encoder::new(Some(&self.channel), self.parts(message)).is_ok_and(|shown| shown.is_as_written())
    }

    /// Encodes all messages for clients of `protocol`, each as a WebSocket frame.
    pub fn wire(&self, protocol: Protocol) -> Wire<'_> {
        self.wire_of(0..self.messages.len(), protocol)
    }

    /// Like `wire`, of the messages in `range`.
    pub fn wire_of(&self, range: Range<usize>, protocol: Protocol) -> Wire<'_> {
        let messages = self.messages.get(range).unwrap_or_default();
        let mut wire = Wire {
            gather: Gather::with_capacity(self.small_bytes(messages)),
            ends: Vec::with_capacity(messages.len()),
            refused: Vec::new(),
        };
        for message in messages {
            match protocol {
                Protocol::V1 => self.put_v1(message, &mut wire.gather),
                Protocol::Legacy => {
                    if let Err(fault) = self.put_legacy(message, &mut wire.gather) {
                        wire.refused.push(fault);
                    }
                }
            }
            wire.ends.push(wire.gather.len());
        }
        wire
    }

    fn put_v1<'a>(&'a self, message: &'a Message, gather: &mut Gather<'a>) {
        let parts = self.parts(message);
        put_head(gather, Opcode::Binary, v1::encoded_len(&self.channel, parts));
        v1::encode(&self.channel, parts, gather);
    }

    fn put_legacy<'a>(&'a self, message: &'a Message, gather: &mut Gather<'a>) -> Result<()> {
        let shown = legacy::Encoder::new(Some(&self.channel), self.legacy_parts(message))?;
        put_head(gather, shown.opcode(), shown.len());
        shown.put(gather);
        Ok(())
    }

    /// The capacity to reserve for small pieces: at least their length for ordinary messages.
    fn small_bytes(&self, messages: &[Message]) -> usize {
        let parts = messages.iter().flat_map(|message| self.parts(message));
        let small: usize = parts.map(Bytes::len).filter(|len| *len < Gather::BORROW_FROM).sum();
        small + messages.len() * OVERHEAD
    }
}

fn has_same_activity(fields: &Fields, other: &Fields) -> bool {
    fields.header.msg_type == other.header.msg_type
        && fields.parent.msg_type == other.parent.msg_type
        && fields.execution_state == other.execution_state
}

fn activity_of(fields: &Fields) -> Activity<'_> {
    let parent = fields.parent.msg_type.as_ref().map(Text::as_str);
    let state = fields.execution_state.as_ref().map(Text::as_str);
    (fields.header.msg_type.as_str(), parent, state)
}

/// The content of a message with these parts.
pub fn content_of(parts: &[Bytes]) -> &[u8] {
    parts.get(3).map_or(&b""[..], |content| content)
}

/// Bytes around the parts of a message in either subprotocol.
const OVERHEAD: usize = 192;

#[cfg(test)]
mod tests;

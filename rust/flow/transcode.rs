//! A message that waits for a client of one subprotocol, for a client of the other.
//!
//! It happens when a session comes back with another subprotocol, which nobody does on purpose: decode and encode anew.
//! What cannot be shown in the other subprotocol is refused, as `Batch::wire` refuses it.

use bytes::Bytes;

use super::entry::{Count, Entry};
use super::frame::Frame;
use super::merge;
use crate::client_wire::gather::Gather;
use crate::client_wire::websocket::{Opcode, put_head};
use crate::client_wire::{ClientMessage, Protocol, legacy, v1};
use crate::error::Result;

/// The message's channel and parts. It is the kernel's, whose buffers are not counted.
fn decode(entry: &Entry) -> Result<ClientMessage> {
    let payload = entry.frame.shared_payload();
    match (entry.protocol, entry.frame.opcode()) {
        (Protocol::V1, _) => v1::decode(&payload, false, u64::MAX),
        (Protocol::Legacy, Opcode::Text) => legacy::decode_text(&payload),
        (Protocol::Legacy, Opcode::Binary) => legacy::decode_binary(&payload, u64::MAX),
    }
}

/// The same message for a client of `protocol`.
pub fn transcode(entry: &Entry, protocol: Protocol) -> Result<Entry> {
    let message = decode(entry)?;
    let channel = message.channel.as_deref();
    let mut gather = Gather::default();
    match protocol {
        Protocol::V1 => {
            let channel = channel.unwrap_or_default();
            put_head(&mut gather, Opcode::Binary, v1::encoded_len(channel, &message.parts));
            v1::encode(channel, &message.parts, &mut gather);
        }
        Protocol::Legacy => {
            let shown = legacy::Encoder::new(channel, &message.parts)?;
            put_head(&mut gather, shown.opcode(), shown.len());
            shown.put(&mut gather);
        }
    }
    Ok(Entry {
        frame: Frame::alone(Bytes::from(gather.into_vec())),
        protocol,
        ..entry.clone()
    })
}

/// Measures the text of a `stream`, if it was not.
pub fn measure(entry: &mut Entry) {
    if !entry.measured {
        if let Ok(message) = decode(entry) {
            let content = message.parts.get(3).map_or(&b""[..], |content| &content[..]);
            entry.text = merge::text_bytes(content);
        }
        entry.measured = true;
    }
}

impl Count {
    /// That of one entry, whose text is measured first.
    pub fn measured(entry: &mut Entry) -> Self {
        measure(entry);
        Self::of(entry)
    }
}

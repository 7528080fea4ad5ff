//! Converts a queued message from one subprotocol to the other.
//!
//! Needed when a client reconnects with another subprotocol, which is rare. So `transcode` simply decodes and encodes again.
//! A message that the other subprotocol cannot carry is refused, as in `Batch::wire`. `decode` also serves `executions`.

use bytes::Bytes;

use super::entry::{Count, Entry};
use super::frame::Frame;
use super::merge;
use crate::client_wire::gather::Gather;
use crate::client_wire::websocket::{Opcode, put_head};
use crate::client_wire::{ClientMessage, Protocol, legacy, v1};
use crate::error::Result;

/// Decodes a message of the kernel. The number of its buffers has no limit.
pub fn decode(entry: &Entry) -> Result<ClientMessage> {
    let payload = entry.frame.shared_payload();
    match (entry.protocol, entry.frame.opcode()) {
        (Protocol::V1, _) => v1::decode(&payload, false, u64::MAX),
        (Protocol::Legacy, Opcode::Text) => legacy::decode_text(&payload),
        (Protocol::Legacy, Opcode::Binary) => legacy::decode_binary(&payload, u64::MAX),
    }
}

/// The message encoded for `protocol`.
pub fn transcode(entry: &Entry, protocol: Protocol) -> Result<Entry> {
    let message = decode(entry)?;
    let channel = message.channel.as_deref();
    let frame = match protocol {
        Protocol::V1 => Frame::of_parts(channel.unwrap_or_default(), &message.parts),
        Protocol::Legacy => {
            let shown = legacy::Encoder::new(channel, &message.parts)?;
            let mut gather = Gather::default();
            put_head(&mut gather, shown.opcode(), shown.len());
            shown.put(&mut gather);
            Frame::alone(Bytes::from(gather.into_vec()))
        }
    };
    Ok(Entry {
        frame,
        protocol,
        ..entry.clone()
    })
}

/// Measures the text of a `stream` if that was postponed.
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
    /// The count of one entry, after measuring its text.
    pub fn measured(entry: &mut Entry) -> Self {
        measure(entry);
        Self::of(entry)
    }
}

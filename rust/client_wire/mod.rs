//! The client's end of the wire: messages over a WebSocket.
//!
//! Two subprotocols carry the same messages: `v1` sends the parts of a kernel message as they are, `legacy` puts them into
//! one JSON object. `websocket` writes the heads of RFC 6455 frames. All encoders write to a `gather`. `channel` finds the
//! channel of a malformed frame for its log line.

pub mod channel;
pub mod gather;
pub mod legacy;
pub mod v1;
pub mod websocket;

use bytes::Bytes;

use crate::error::{Malformed, Result};
use crate::json::{self, ValueKind};

/// The subprotocol of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `v1.kernel.websocket.jupyter.org`
    V1,
    /// No subprotocol: text messages, or binary ones if they have buffers.
    Legacy,
}

/// One well-formed message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMessage {
    /// None if a legacy message has no channel.
    pub channel: Option<String>,
    /// Empty if the header was not read.
    pub msg_type: String,
    /// See `Header::ambiguous_type`.
    pub ambiguous_type: bool,
    /// Header, parent_header, metadata, content, and any buffers.
    pub parts: Vec<Bytes>,
}

/// Checks that a part is a JSON object. Some clients send `null`, `[]` or `""` instead of `{}`; these become `{}`.
///
/// Upstream forwards such values, and kernels treat them differently: ipykernel drops a request whose metadata is `null`.
/// A parent_header that is `null` is kept, because kernels read it as no parent.
fn object(name: &'static str, part: Bytes) -> Result<Bytes> {
    let kind = json::check(&part).map_err(|fault| fault.of(name))?;
    let may_be_empty = name == PARENT_HEADER || name == METADATA;
    match kind {
        ValueKind::Object => Ok(part),
        ValueKind::Null if name == PARENT_HEADER => Ok(part),
        ValueKind::Null => Ok(EMPTY_OBJECT),
        ValueKind::Array | ValueKind::String if may_be_empty && json::is_empty(&part) => Ok(EMPTY_OBJECT),
        _ => Err(Malformed::NotObject(name)),
    }
}

/// Refuses a message with more buffers than `limit`.
fn check_buffers(have: u64, limit: u64) -> Result<()> {
    if have > limit {
        return Err(Malformed::TooManyBuffers { have, limit });
    }
    Ok(())
}

/// The most buffers that a client's message may have. Each becomes a ZMQ frame, and an empty buffer costs the client only 4
/// or 8 bytes: one megabyte could hold 131,000 of them, which block the event loop for 9 ms. Sending 4096 takes half a
/// millisecond. A widget's update has one buffer for each binary value in its state, seldom more than a hundred.
pub const MAX_BUFFERS: u64 = 4096;

const EMPTY_OBJECT: Bytes = Bytes::from_static(b"{}");
const HEADER: &str = "header";
const PARENT_HEADER: &str = "parent_header";
const METADATA: &str = "metadata";
const CONTENT: &str = "content";

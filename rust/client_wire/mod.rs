//! The client's end of the wire: messages over a WebSocket.
//!
//! Two subprotocols carry the same messages: `v1` frames the parts of a kernel message as they are, `legacy` makes one
//! JSON object of them. `websocket` makes the heads of RFC 6455 frames.
//! `gather` is where all of them write to, `channel` what a log line says of a frame that is neither.

pub mod channel;
pub mod gather;
pub mod legacy;
pub mod v1;
pub mod websocket;

use bytes::Bytes;

use crate::error::{Malformed, Result};
use crate::json::{self, ValueKind};

/// How a client talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `v1.kernel.websocket.jupyter.org`
    V1,
    /// No subprotocol: text, or binary where there are buffers.
    Legacy,
}

/// One well-formed message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMessage {
    /// None where a legacy client did not say.
    pub channel: Option<String>,
    /// Empty if the header was not read.
    pub msg_type: String,
    /// See `Header::ambiguous_type`.
    pub ambiguous_type: bool,
    /// Header, parent_header, metadata, content, and any buffers.
    pub parts: Vec<Bytes>,
}

/// A part that is a JSON object, as it is; for other values that clients send where they have none, an empty object.
///
/// Upstream passes such values on and kernels differ in what they make of them: ipykernel drops a request whose metadata
/// is `null`. Only a parent_header that is `null` stays so, which kernels read as no parent.
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

/// Buffers that a client's message may have. Each becomes a ZMQ frame, and an empty one costs its sender 4 or 8 bytes: a
/// megabyte of them is 131,000 frames, 9 ms of the event loop and an object each where they wait. So many are sent in half
/// a millisecond. A widget's update has one for each binary value in its state, which are a few, seldom a hundred.
pub const MAX_BUFFERS: u64 = 4096;

const EMPTY_OBJECT: Bytes = Bytes::from_static(b"{}");
const HEADER: &str = "header";
const PARENT_HEADER: &str = "parent_header";
const METADATA: &str = "metadata";
const CONTENT: &str = "content";

//! Reads a comm message: which widget it is about, and what it does to the widget's state.
//!
//! The state travels as JSON without its binary values. `buffer_paths` says where each buffer of the message belongs in it:
//!
//! ```text
//! {"comm_id": "c", "data": {"method": "update", "state": {"value": 3, "image": {"size": [2, 2]}}, "buffer_paths": [["image", "data"]]}}
//! ```
//!
//! Must not build values: they stay the JSON that was written. Everything is copied, so that no receive buffer stays alive.
//! Cost: three scans of the content, and one copy of the state.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::batch::Message;
use crate::executions::request::LONGEST_ID;
use crate::json;
use crate::kernel_wire::signature::SIGNED_PARTS;

/// The value of one key of a widget's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The JSON without its binary values. None: the whole value is one buffer.
    pub value: Option<Bytes>,
    /// Its binary values, each with its path as JSON. The path begins with the key.
    pub buffers: Vec<(Bytes, Bytes)>,
}

/// The state of a widget, or a change of it: a part for each key.
pub type State = BTreeMap<Box<str>, Part>;

/// What a message does. A state is None if it cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    /// Makes the widget. `metadata` is that of the message: it has the version of the widgets' protocol.
    Open {
        /// As it was written.
        metadata: Bytes,
        /// Everything.
        state: Option<State>,
    },
    /// Changes the keys of its state that are given.
    Update {
        /// The change.
        state: Option<State>,
        /// Whether the kernel only repeats what a client has sent.
        echo: bool,
    },
    /// Ends it.
    Close,
}

/// A message about a widget.
#[derive(Debug, PartialEq, Eq)]
pub struct CommMessage {
    /// The id of the widget's comm.
    pub id: Box<str>,
    /// What it does.
    pub act: Act,
}

/// Whether a message is about a comm.
pub fn is_comm(message: &Message) -> bool {
    message.is("comm_msg") || message.is("comm_open") || message.is("comm_close")
}

impl CommMessage {
    /// Reads a message. None: it changes no widget's state, or does not say which widget it is about.
    pub fn read(msg_type: &str, parts: &[Bytes]) -> Option<Self> {
        let [_, _, metadata, content, ..] = parts else {
            return None;
        };
        let (mut id, mut data, mut target) = (None, None, None);
        let read = json::members(content, |key, value| match key {
            b"comm_id" => id = json::decode_string(value),
            b"target_name" => target = json::decode_string(value),
            b"data" => data = Some(value),
            _ => {}
        });
        read.ok()?;
        let id = Box::from(&*id.filter(|id| !id.is_empty() && id.len() <= LONGEST_ID)?);
        let buffers = parts.get(SIGNED_PARTS..).unwrap_or_default();
        let act = match msg_type {
            "comm_open" if target? == TARGET => Act::Open {
                metadata: Bytes::copy_from_slice(metadata),
                state: read_state(data, buffers),
            },
            "comm_msg" => update(data, buffers)?,
            "comm_close" => Act::Close,
            _ => return None,
        };
        Some(Self { id, act })
    }
}

/// Reads the data of a `comm_msg`. None: it does not change the state.
fn update(data: Option<&[u8]>, buffers: &[Bytes]) -> Option<Act> {
    let mut method = None;
    let read = json::members(data?, |key, value| {
        if key == b"method" {
            method = json::decode_string(value);
        }
    });
    let echo = match (read, method.as_deref()) {
        (Ok(()), Some("update")) => false,
        (Ok(()), Some("echo_update")) => true,
        (Ok(()), _) => return None,
        (Err(_), _) => {
            return Some(Act::Update {
                state: None,
                echo: false,
            });
        }
    };
    let state = read_state(data, buffers);
    Some(Act::Update { state, echo })
}

/// Reads `state` and `buffer_paths` of the data.
fn read_state(data: Option<&[u8]>, buffers: &[Bytes]) -> Option<State> {
    let (mut state, mut paths) = (&b"{}"[..], &b"[]"[..]);
    let read = json::members(data?, |key, value| match key {
        b"state" => state = value,
        b"buffer_paths" => paths = value,
        _ => {}
    });
    read.ok()?;
    let mut found = State::new();
    let mut named = true;
    let read = json::members(state, |key, value| match std::str::from_utf8(key) {
        Ok(key) => found.entry(key.into()).or_default().value = Some(Bytes::copy_from_slice(value)),
        Err(_) => named = false,
    });
    read.ok().filter(|()| named)?;
    let paths = if paths == b"null" {
        Vec::new()
    } else {
        json::elements(paths)?
    };
    if paths.len() > buffers.len() {
        return None;
    }
    for (path, buffer) in paths.iter().zip(buffers) {
        let key = json::decode_string(json::elements(path)?.first()?)?;
        let buffer = (Bytes::copy_from_slice(path), Bytes::copy_from_slice(buffer));
        found.entry(key.into()).or_default().buffers.push(buffer);
    }
    Some(found)
}

/// The comms with this target name are widgets.
pub const TARGET: &str = "jupyter.widget";

#[cfg(test)]
mod tests;

//! The displays of a journal: which slots show a display id, and what an update makes of them.
//!
//! An update names a display id, and may come from another execution than the display. Cost: one lookup an update.

use std::collections::HashMap;

use bytes::Bytes;

use crate::client_wire::gather::Gather;
use crate::client_wire::v1;
use crate::client_wire::websocket::{Opcode, put_head};
use crate::flow::entry::Entry;
use crate::flow::frame::Frame;
use crate::flow::transcode;
use crate::json;
use crate::reader::wide;

/// The slots of all displays that have an id.
#[derive(Default)]
pub struct Displays {
    /// A display id -> the execution and the slot of each display with it.
    places: HashMap<Box<[u8]>, Vec<(u64, u64)>>,
    memory: u64,
}

impl Displays {
    /// Adds a display of the execution `number` in its slot `seq`.
    pub fn add(&mut self, id: Box<[u8]>, number: u64, seq: u64) {
        self.memory += upkeep(&id);
        self.places.entry(id).or_default().push((number, seq));
    }

    /// Calls `change` with the places of the display that the content of an update names. False: that place is gone.
    pub fn update(&mut self, content: &[u8], mut change: impl FnMut(u64, u64, &[u8]) -> bool) {
        let Some(id) = id_in(content) else {
            return;
        };
        let Some(places) = self.places.get_mut(&id) else {
            return;
        };
        let before = places.len();
        places.retain(|(number, seq)| change(*number, *seq, content));
        self.memory -= upkeep(&id) * wide(before - places.len());
        if places.is_empty() {
            self.places.remove(&id);
        }
    }

    /// Forgets the displays of an execution.
    pub fn forget(&mut self, number: u64) {
        let mut freed = 0;
        self.places.retain(|id, places| {
            let before = places.len();
            places.retain(|(of, _)| *of != number);
            freed += upkeep(id) * wide(before - places.len());
            !places.is_empty()
        });
        self.memory -= freed;
    }

    /// Bytes of memory.
    pub fn memory(&self) -> u64 {
        self.memory
    }
}

/// Bytes of one place of a display.
fn upkeep(id: &[u8]) -> u64 {
    wide(id.len() + 96)
}

/// The display id in a content, as the kernel wrote it.
pub fn id_in(content: &[u8]) -> Option<Box<[u8]>> {
    let (mut transient, mut id) = (None, None);
    let read = json::members(content, |key, value| {
        if key == b"transient" {
            transient = Some(value);
        }
    });
    read.ok()?;
    let read = json::members(transient?, |key, value| {
        if key == b"display_id" {
            id = json::decode_string(value).map(|id| Box::from(id.as_bytes()));
        }
    });
    read.ok().and(id)
}

/// The frame of a display with the data and metadata of an update. What else its content has stays, such as the count.
pub fn updated(entry: &Entry, update: &[u8]) -> Option<Frame> {
    let mut parts = transcode::decode(entry).ok()?.parts;
    let mut content = Vec::from(&b"{"[..]);
    let mut put = |key: &[u8], value: &[u8]| {
        if content.len() > 1 {
            content.push(b',');
        }
        for piece in [b"\"", key, b"\":", value] {
            content.extend_from_slice(piece);
        }
    };
    let replaced = |key: &[u8]| matches!(key, b"data" | b"metadata");
    let old = parts.get(3)?;
    for key in [&b"execution_count"[..], b"transient"] {
        let mut found = None;
        json::members(old, |name, value| {
            if name == key {
                found = Some(value);
            }
        })
        .ok()?;
        if let Some(value) = found {
            put(key, value);
        }
    }
    let mut new: [Option<&[u8]>; 2] = [None, None];
    json::members(update, |key, value| {
        if replaced(key) {
            let [data, metadata] = &mut new;
            *(if key == b"data" { data } else { metadata }) = Some(value);
        }
    })
    .ok()?;
    let [data, metadata] = new;
    put(b"data", data.unwrap_or(b"{}"));
    put(b"metadata", metadata.unwrap_or(b"{}"));
    content.push(b'}');
    *parts.get_mut(3)? = Bytes::from(content);
    let mut gather = Gather::default();
    put_head(&mut gather, Opcode::Binary, v1::encoded_len("iopub", &parts));
    v1::encode("iopub", &parts, &mut gather);
    Some(Frame::alone(Bytes::from(gather.into_vec())))
}

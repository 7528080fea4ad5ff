//! The displays of a journal: which slots show a display id, and what an update makes of them.
//!
//! An update names a display id, and may come from another execution than the display. A place is kept as long as its log
//! has the display, and only for the newest `MOST_OF_AN_ID` displays with the same id. Cost: O(log n) for each display that is
//! added or forgotten, and for each that an update changes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;

use crate::flow::entry::Entry;
use crate::flow::frame::Frame;
use crate::flow::transcode;
use crate::json;
use crate::reader::wide;

/// The number of an execution, and of the slot of a display in its log.
pub type Place = (u64, u64);

/// The places of all displays that have an id.
#[derive(Default)]
pub struct Displays {
    ids: BTreeMap<Place, Arc<[u8]>>,
    places: BTreeSet<(Arc<[u8]>, Place)>,
    memory: u64,
}

impl Displays {
    /// Adds a display. If too many have its id, forgets the place of the oldest, which is not updated any more.
    pub fn add(&mut self, id: &Arc<[u8]>, place: Place) {
        self.memory += upkeep(id);
        self.places.insert((Arc::clone(id), place));
        self.ids.insert(place, Arc::clone(id));
        if let [(number, seq), rest @ ..] = &self.places(id)[..]
            && rest.len() >= MOST_OF_AN_ID
        {
            self.forget(*number, *seq..=*seq);
        }
    }

    /// The places of the displays with this id.
    pub fn places(&self, id: &Arc<[u8]>) -> Vec<Place> {
        let all = (Arc::clone(id), (0, 0))..=(Arc::clone(id), (u64::MAX, u64::MAX));
        self.places.range(all).map(|(_, place)| *place).collect()
    }

    /// Forgets the displays of the execution `number` in these slots.
    pub fn forget(&mut self, number: u64, slots: RangeInclusive<u64>) {
        let range = (number, *slots.start())..=(number, *slots.end());
        while let Some((place, _)) = self.ids.range(range.clone()).next() {
            let place = *place;
            if let Some(id) = self.ids.remove(&place) {
                self.memory -= upkeep(&id);
                self.places.remove(&(id, place));
            }
        }
    }

    /// Bytes of memory.
    pub fn memory(&self) -> u64 {
        self.memory
    }
}

/// The most displays with one id. An update blocks the event loop for a microsecond for each.
const MOST_OF_AN_ID: usize = 100;

/// Bytes of one place: the id, its entry in each index with its share of a node, and the overhead of the allocator.
fn upkeep(id: &[u8]) -> u64 {
    wide(id.len() + 176)
}

/// The decoded display id in a content.
pub fn id_in(content: &[u8]) -> Option<Arc<[u8]>> {
    let id = json::member(json::member(content, b"transient")?, b"display_id")?;
    json::decode_string(id).map(|id| Arc::from(id.as_bytes()))
}

/// What an `update_display_data` changes.
pub struct Update<'a> {
    /// The display id.
    pub id: Arc<[u8]>,
    data: &'a [u8],
    metadata: &'a [u8],
}

impl<'a> Update<'a> {
    /// Reads the content of an update. None: it names no display, or has no data.
    pub fn read(content: &'a [u8]) -> Option<Self> {
        Some(Self {
            id: id_in(content)?,
            data: json::member(content, b"data")?,
            metadata: json::member(content, b"metadata").unwrap_or(b"{}"),
        })
    }

    /// The frame of a display with the data and the metadata of this update. Its id and its count stay, and its buffers.
    pub fn apply(&self, entry: &Entry) -> Option<Frame> {
        let mut parts = transcode::decode(entry).ok()?.parts;
        let content = parts.get_mut(3)?;
        let mut new = Vec::with_capacity(self.data.len() + self.metadata.len() + content.len().min(1024));
        for key in [&b"execution_count"[..], b"transient"] {
            if let Some(value) = json::member(content, key) {
                put(&mut new, key, value);
            }
        }
        put(&mut new, b"data", self.data);
        put(&mut new, b"metadata", self.metadata);
        new.push(b'}');
        *content = Bytes::from(new);
        Some(Frame::of_parts("iopub", &parts))
    }
}

/// Appends a member to a JSON object that is not closed yet.
fn put(object: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    object.push(if object.is_empty() { b'{' } else { b',' });
    for piece in [b"\"", key, b"\":", value] {
        object.extend_from_slice(piece);
    }
}

#[cfg(any(test, fuzzing))]
mod tests;

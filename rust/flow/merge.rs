//! Merges what a browser would merge anyway.
//!
//! Adjacent `stream` messages with the same parent and name become one: the first one's frame, into whose text the text
//! of the others is put, as the kernel wrote it, escapes and all. Of adjacent `update_display_data` for one display id the
//! last stands. The frame is never decoded: the text is found in the content, and the content at the frame's end.
//!
//! Refused is whatever could mean something else afterwards: buffers, a content with other members or with one twice, a
//! surrogate pair or a character of several bytes that would come into being where two texts meet. Cost: one scan of the
//! content; each text is copied once, and once more when the run ends.

use std::ops::Range;

use super::entry::{self, Count, Entry};
use super::frame::Frame;
use super::pacing::Class;
use crate::batch::Message;
use crate::client_wire::Protocol;
use crate::json::{self, ValueKind};
use crate::reader::wide;
use bytes::Bytes;

/// How a message may become one with its neighbour. Ranges are within its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeKey {
    /// A `stream`: the value of its name, and its text between the quotes.
    Stream {
        /// With its quotes.
        name: Range<usize>,
        /// Without its quotes.
        text: Range<usize>,
    },
    /// An `update_display_data`: the value of its display id.
    Update {
        /// With its quotes.
        id: Range<usize>,
    },
}

/// The newest message of a lane, while others may come to be one with it.
pub struct OpenMessage {
    entry: Entry,
    key: MergeKey,
    /// The texts of those that were merged into it.
    added: Vec<u8>,
    /// Whether the text ends in the first half of a surrogate pair.
    half_pair: bool,
}

impl OpenMessage {
    /// Of the first message.
    pub fn new(entry: Entry, key: MergeKey) -> Self {
        let half_pair = match &key {
            MergeKey::Stream { text, .. } => ends_in_half(slice(&entry.frame, text)),
            MergeKey::Update { .. } => false,
        };
        Self {
            entry,
            key,
            added: Vec::new(),
            half_pair,
        }
    }

    /// What it amounts to so far: its frame is yet to be made.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Of the payload that `close` makes.
    pub fn payload_len(&self) -> usize {
        self.entry.frame.payload().len() + self.added.len()
    }

    /// The memory that the texts of others take.
    pub fn added_len(&self) -> u64 {
        wide(self.added.len())
    }

    /// Copies what would keep a large buffer alive.
    pub fn unshare(&mut self) {
        self.entry.frame.unshare();
    }

    /// Takes in the next message, or hands it back. `limit` is for the text of all.
    pub fn absorb(&mut self, next: Entry, key: MergeKey, limit: u64) -> Result<(), (Entry, MergeKey)> {
        let same = self.entry.parent == next.parent && self.entry.protocol == next.protocol;
        match (&self.key, &key) {
            (MergeKey::Stream { name, .. }, MergeKey::Stream { name: other, text })
                if same && slice(&self.entry.frame, name) == slice(&next.frame, other) =>
            {
                let text = slice(&next.frame, text);
                if self.entry.text + next.text > limit || !self.may_meet(text) {
                    return Err((next, key));
                }
                if !text.is_empty() {
                    self.half_pair = ends_in_half(text);
                }
                self.added.extend_from_slice(text);
                self.entry.text += next.text;
                if let Class::Stream(bytes) = &mut self.entry.class {
                    *bytes += next.text;
                }
                self.entry.messages += next.messages;
                Ok(())
            }
            (MergeKey::Update { id }, MergeKey::Update { id: other })
                if same && slice(&self.entry.frame, id) == slice(&next.frame, other) =>
            {
                let messages = self.entry.messages + next.messages;
                self.entry = Entry { messages, ..next };
                self.key = key;
                Ok(())
            }
            _ => Err((next, key)),
        }
    }

    /// Whether text may follow ours without a character that neither of them has.
    fn may_meet(&self, text: &[u8]) -> bool {
        let continues = text.first().is_some_and(|byte| (0x80..0xc0).contains(byte));
        let second_half = matches!(text, [b'\\', b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', ..]);
        !(continues || (self.half_pair && second_half))
    }

    /// The message, complete.
    pub fn close(self) -> Entry {
        let MergeKey::Stream { text, .. } = &self.key else {
            return self.entry;
        };
        if self.added.is_empty() {
            return self.entry;
        }
        let frame = joined(&self.entry, text.end, &self.added);
        Entry { frame, ..self.entry }
    }
}

/// The entry's frame with `more` put in at `cut`.
fn joined(entry: &Entry, cut: usize, more: &[u8]) -> Frame {
    let (opcode, payload) = (entry.frame.opcode(), entry.frame.payload());
    let cut = cut.saturating_sub(entry.frame.len() - payload.len());
    let (before, after) = payload.split_at_checked(cut).unwrap_or((payload, b""));
    match entry.protocol {
        Protocol::Legacy => Frame::own(opcode, &[before, more, after]),
        Protocol::V1 => {
            // Its content is the last part, so that one offset changes: the last one, which is the length of all
            let end = wide(payload.len() + more.len()).to_le_bytes();
            let head = before.get(..LAST_OFFSET).unwrap_or_default();
            let rest = before.get(LAST_OFFSET + end.len()..).unwrap_or_default();
            Frame::own(opcode, &[head, &end, rest, more, after])
        }
    }
}

/// Measures the text of a `stream` and, if `merge` says so, finds out how it may become one with its neighbour.
pub fn read_stream(entry: &mut Entry, message: &Message, parts: &[Bytes], merge: bool) -> Option<MergeKey> {
    let content = parts.get(3)?;
    if content.len() > LARGE {
        // Never merged, and seldom left out: it is scanned when it is
        (entry.text, entry.measured) = (wide(content.len()), false);
        return None;
    }
    let stream = StreamContent::of(content);
    entry.text = stream.text_bytes();
    let (true, Some(name), Some(text)) = (
        merge && stream.plain && mergeable(message, parts),
        stream.name,
        stream.text,
    ) else {
        return None;
    };
    let start = content_start(entry, content)?;
    Some(MergeKey::Stream {
        name: moved(&name, start),
        text: moved(&text, start),
    })
}

/// How an `update_display_data` may be replaced by its neighbour.
pub fn read_update(entry: &Entry, message: &Message, parts: &[Bytes]) -> Option<MergeKey> {
    let content = parts.get(3).filter(|_| mergeable(message, parts))?;
    let (mut transient, mut id) = (None, None);
    let read = json::members(content, |key, value| {
        if key == b"transient" {
            transient = Some(value);
        }
    });
    read.ok()?;
    let in_transient = json::members(transient?, |key, value| {
        if key == b"display_id" {
            id = Some(value);
        }
    });
    in_transient.ok()?;
    let id = id.filter(|id| id.starts_with(b"\""))?;
    let offset = content.slice_ref(id).as_ptr().addr() - content.as_ptr().addr();
    let start = content_start(entry, content)? + offset;
    Some(MergeKey::Update {
        id: start..start + id.len(),
    })
}

/// The exact bytes of text of a content.
pub fn text_bytes(content: &[u8]) -> u64 {
    StreamContent::of(content).text_bytes()
}

impl Count {
    /// That of a message that has just come, and was not looked into.
    pub fn of_message(entry: &Entry, parts: &[Bytes]) -> Self {
        let mut count = Self::of(entry);
        if entry.kind == entry::Kind::Stream {
            count.bytes = parts.get(3).map_or(0, |content| text_bytes(content));
        }
        count
    }
}

/// Whether the message has a parent that is known by its id, and no buffers.
fn mergeable(message: &Message, parts: &[Bytes]) -> bool {
    parts.len() == 4 && message.fields().is_some_and(|fields| fields.parent.msg_id.is_some())
}

/// Where the content begins in the entry's frame, if it stands there as the kernel wrote it.
fn content_start(entry: &Entry, content: &[u8]) -> Option<usize> {
    let tail = match entry.protocol {
        Protocol::V1 => 0,
        Protocol::Legacy => LEGACY_TAIL.len(),
    };
    let end = entry.frame.len().checked_sub(tail)?;
    let start = end.checked_sub(content.len())?;
    (entry.frame.bytes().get(start..end)? == content).then_some(start)
}

fn slice<'a>(frame: &'a Frame, range: &Range<usize>) -> &'a [u8] {
    frame.bytes().get(range.clone()).unwrap_or_default()
}

fn moved(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// Whether `text` ends in what can be an escaped first half of a surrogate pair.
fn ends_in_half(text: &[u8]) -> bool {
    matches!(
        text.last_chunk::<6>(),
        Some([b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', _, _])
    )
}

/// The members of a `stream`'s content.
struct StreamContent<'a> {
    content: &'a [u8],
    name: Option<Range<usize>>,
    text: Option<Range<usize>>,
    /// Whether there is nothing else.
    plain: bool,
    well_formed: bool,
}

impl<'a> StreamContent<'a> {
    fn of(content: &'a [u8]) -> Self {
        let mut found = Self {
            content,
            name: None,
            text: None,
            plain: true,
            well_formed: false,
        };
        let kind = json::walk(content, |key, value| {
            let is_string = content.get(value.start) == Some(&b'"');
            match content.get(key) {
                Some(b"name") if is_string && found.name.is_none() => found.name = Some(value),
                Some(b"text") if is_string && found.text.is_none() => found.text = Some(value.start + 1..value.end - 1),
                _ => found.plain = false,
            }
        });
        found.well_formed = kind == Ok(ValueKind::Object);
        found.plain &= found.well_formed;
        found
    }

    /// What is no text has none to count; what is no JSON is all text.
    fn text_bytes(&self) -> u64 {
        match &self.text {
            _ if !self.well_formed => wide(self.content.len()),
            Some(text) => wide(text.len()),
            None => 0,
        }
    }
}

/// How much text is merged into one message, in bytes as the kernel wrote it. A browser shows that in a few
/// milliseconds, and acknowledges it before the next one.
pub const MERGED_TEXT: u64 = 64 * 1024;

/// Contents longer than this are not scanned: their text is too much to merge.
const LARGE: usize = 64 * 1024 + 256;

/// What the legacy encoder puts after the content of a message of IOPub without buffers.
const LEGACY_TAIL: &str = ",\"buffers\":[],\"channel\":\"iopub\"}";

/// Where a v1 message of four parts has its last offset: behind the count and five others.
const LAST_OFFSET: usize = 8 * 6;

#[cfg(test)]
mod tests;

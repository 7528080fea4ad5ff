//! Merges adjacent messages that a browser would merge too.
//!
//! Adjacent `stream` messages with the same parent and name become one: their texts are inserted into the frame of the
//! first, as the kernel wrote them, escapes included. Of adjacent `update_display_data` with the same display id only the
//! last is kept. Frames are not decoded: the text is a range of the content, and the content is at the end of the frame.
//!
//! Must not merge when the result could have another meaning: messages with buffers, a content with other or duplicate
//! members, or two texts that form a new surrogate pair or multi-byte character where they meet. Cost: one scan of the
//! content for all outboxes, and one copy of each text for each of them. Texts in a row are merged together: see `texts`.

use std::ops::Range;

use super::entry::{self, Count, Entry};
use super::frame::{Frame, content_start};
use super::growing::GrowingFrame;
use super::pacing::Class;
use crate::batch::Message;
use crate::json;
use crate::kernel_wire::header::Text;
use crate::kernel_wire::stream::StreamContent;
use crate::reader::wide;
use bytes::Bytes;

/// Messages with equal keys can be merged. Ranges are within the frame of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeKey {
    /// A `stream`. The key is the name; the text is what is merged.
    Stream {
        /// The value of `name`, with its quotes.
        name: Range<usize>,
        /// The value of `text`, without its quotes.
        text: Range<usize>,
    },
    /// An `update_display_data`. The key is the display id.
    Update {
        /// The value of `display_id`, with its quotes.
        id: Range<usize>,
    },
}

/// The text of a `stream`, or texts of several in a row.
pub struct StreamText<'a> {
    /// The msg_id of the parent.
    pub parent: Option<&'a [u8]>,
    /// The value of `name`, with its quotes.
    pub name: &'a [u8],
    /// The texts, without their quotes.
    pub text: &'a [u8],
    /// The last of them that is not empty.
    pub last: &'a [u8],
    /// How many messages, and the bytes of their texts.
    pub count: Count,
}

/// The newest message of a lane, into which later messages can be merged.
pub struct OpenMessage {
    entry: Entry,
    key: MergeKey,
    /// The frame with the texts that were merged into it. None: there are none yet.
    grown: Option<GrowingFrame>,
    /// The end of its text.
    seam: Seam,
}

/// The end of a text, where another one may follow.
#[derive(Clone, Copy, Default)]
pub struct Seam {
    /// Whether the text ends with the first half of a surrogate pair.
    half_pair: bool,
}

impl Seam {
    /// The end of `text`.
    pub fn after(text: &[u8]) -> Self {
        let half_pair = ends_in_half(text);
        Self { half_pair }
    }

    /// Moves it to the end of `text`, which follows. An empty text moves nothing.
    pub fn pass(&mut self, text: &[u8]) {
        if !text.is_empty() {
            *self = Self::after(text);
        }
    }

    /// Whether `text` can follow: no surrogate pair or multi-byte character forms where the two texts meet.
    pub fn may_meet(self, text: &[u8]) -> bool {
        let continues = text.first().is_some_and(|byte| (0x80..0xc0).contains(byte));
        let second_half = matches!(text, [b'\\', b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', ..]);
        !(continues || (self.half_pair && second_half))
    }
}

impl OpenMessage {
    /// Opens a message.
    pub fn new(entry: Entry, key: MergeKey) -> Self {
        let seam = match &key {
            MergeKey::Stream { text, .. } => Seam::after(slice(&entry.frame, text)),
            MergeKey::Update { .. } => Seam::default(),
        };
        Self {
            entry,
            key,
            grown: None,
            seam,
        }
    }

    /// The merged message, except that its frame is still that of the first.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The length in bytes of the payload that `close` builds.
    pub fn payload_len(&self) -> usize {
        self.entry.frame.payload().len() + self.added()
    }

    /// Bytes of the texts that were merged into it.
    pub fn added_len(&self) -> u64 {
        wide(self.added())
    }

    fn added(&self) -> usize {
        self.grown.as_ref().map_or(0, GrowingFrame::added)
    }

    /// Its frame, without the texts that were merged into it.
    pub fn frame_mut(&mut self) -> &mut Frame {
        &mut self.entry.frame
    }

    /// Merges the next message, or returns it as the error. `limit`: bytes of merged text.
    pub fn absorb(&mut self, next: Entry, key: MergeKey, limit: u64) -> Result<(), (Entry, MergeKey)> {
        let same = self.entry.protocol == next.protocol;
        match (&self.key, &key) {
            (MergeKey::Stream { .. }, MergeKey::Stream { name, text }) if same => {
                let last = slice(&next.frame, text);
                let text = StreamText {
                    parent: id_of(&next),
                    name: slice(&next.frame, name),
                    text: last,
                    last,
                    count: Count::of(&next),
                };
                if self.absorb_text(&text, limit) {
                    Ok(())
                } else {
                    Err((next, key))
                }
            }
            (MergeKey::Update { id }, MergeKey::Update { id: other })
                if same
                    && self.entry.parent == next.parent
                    && slice(&self.entry.frame, id) == slice(&next.frame, other) =>
            {
                let messages = self.entry.messages + next.messages;
                self.entry = Entry { messages, ..next };
                self.key = key;
                Ok(())
            }
            _ => Err((next, key)),
        }
    }

    /// Merges texts, whose frames are of the same subprotocol. False: they cannot be merged with it.
    pub fn absorb_text(&mut self, next: &StreamText<'_>, limit: u64) -> bool {
        let MergeKey::Stream { name, text: first } = &self.key else {
            return false;
        };
        let (text, Count { messages, bytes }) = (next.text, next.count);
        let same = id_of(&self.entry) == next.parent && slice(&self.entry.frame, name) == next.name;
        if !same || self.entry.text + bytes > limit || !self.seam.may_meet(text) {
            return false;
        }
        self.seam.pass(next.last);
        self.grown
            .get_or_insert_with(|| GrowingFrame::new(&self.entry.frame, first.end))
            .push(text, limit);
        self.entry.text += bytes;
        if let Class::Stream(counted) = &mut self.entry.class {
            *counted += bytes;
        }
        self.entry.messages += messages;
        true
    }

    /// The merged message with its frame.
    pub fn close(self) -> Entry {
        let (MergeKey::Stream { text, .. }, Some(grown)) = (&self.key, self.grown) else {
            return self.entry;
        };
        let frame = grown.close(&self.entry, text.end);
        Entry { frame, ..self.entry }
    }
}

/// Measures the text of a `stream`, and returns its key if `merge` is set and it can be merged.
pub fn read_stream(entry: &mut Entry, message: &Message, parts: &[Bytes], merge: bool) -> Option<MergeKey> {
    let content = parts.get(3)?;
    if content.len() > LARGE {
        // Too long to merge, and seldom dropped: its text is measured only if it is dropped
        (entry.text, entry.measured) = (wide(content.len()), false);
        return None;
    }
    let stream = message.stream(content);
    entry.text = stream.text_bytes();
    let (name, text) = stream
        .whole()
        .filter(|_| merge && mergeable_parent(message, parts).is_some())?;
    let start = start_in(entry, content)?;
    Some(MergeKey::Stream {
        name: moved(name, start),
        text: moved(text, start),
    })
}

/// The key of an `update_display_data`, if it can be merged.
pub fn read_update(entry: &Entry, message: &Message, parts: &[Bytes]) -> Option<MergeKey> {
    let content = parts.get(3).filter(|_| mergeable_parent(message, parts).is_some())?;
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
    let start = start_in(entry, content)? + offset;
    Some(MergeKey::Update {
        id: start..start + id.len(),
    })
}

/// Where the text of a `stream`'s content is, between its quotes. None: it has no text, or other or duplicate members.
pub fn text_range(content: &[u8]) -> Option<Range<usize>> {
    let stream = StreamContent::of(content);
    stream.text.filter(|_| stream.plain)
}

/// The exact length in bytes of the text in the content of a `stream`.
pub fn text_bytes(content: &[u8]) -> u64 {
    StreamContent::of(content).text_bytes()
}

impl Count {
    /// The count of a message whose text was not measured.
    pub fn of_message(entry: &Entry, parts: &[Bytes]) -> Self {
        let mut count = Self::of(entry);
        if entry.kind == entry::Kind::Stream {
            count.bytes = parts.get(3).map_or(0, |content| text_bytes(content));
        }
        count
    }
}

/// The parent's msg_id of a message that may be merged. None: the parent has none, or the message has buffers.
pub fn mergeable_parent<'a>(message: &'a Message, parts: &[Bytes]) -> Option<&'a Text> {
    let fields = message.fields().filter(|_| parts.len() == 4)?;
    fields.parent.msg_id.as_ref()
}

fn start_in(entry: &Entry, content: &[u8]) -> Option<usize> {
    content_start(entry.frame.bytes(), entry.frame.len(), entry.protocol, content)
}

fn id_of(entry: &Entry) -> Option<&[u8]> {
    entry.parent.as_ref().and_then(|parent| parent.id.as_deref())
}

fn slice<'a>(frame: &'a Frame, range: &Range<usize>) -> &'a [u8] {
    frame.bytes().get(range.clone()).unwrap_or_default()
}

fn moved(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// Whether `text` ends with an escape that may be the first half of a surrogate pair.
fn ends_in_half(text: &[u8]) -> bool {
    matches!(
        text.last_chunk::<6>(),
        Some([b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', _, _])
    )
}

/// The most text that is merged into one message, in bytes as the kernel wrote it. A browser shows that much in a few
/// milliseconds.
pub const MERGED_TEXT: u64 = 64 * 1024;

/// Contents longer than this are not scanned: usually their text exceeds `MERGED_TEXT`.
pub const LARGE: usize = 64 * 1024 + 256;

#[cfg(test)]
mod tests;

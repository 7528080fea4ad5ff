//! The texts of a batch's `stream` messages, put together: what outboxes and a journal would otherwise merge one by one.
//!
//! A *row* is consecutive messages that `merge` may merge with each other. Must not decide whether a row continues the last
//! message of an outbox. Cost: one scan of each content and one copy of each text, for all outboxes and the journal.

use std::ops::Range;

use bytes::Bytes;

use super::entry::Count;
use super::merge::{self, Seam, StreamText};
use crate::batch::{Batch, Message};
use crate::kernel_wire::header::Text;
use crate::reader::wide;

/// The rows of one batch, as it is encoded for one subprotocol.
#[derive(Default)]
pub struct Texts {
    /// All texts, without their quotes, one after another.
    bytes: Vec<u8>,
    /// For each message, where its text ends in `bytes`; one without a text ends where the message before it ends.
    ends: Vec<usize>,
    rows: Vec<Row>,
}

/// A `stream` that can be merged.
#[derive(Clone, Copy)]
struct Found<'a> {
    parent: &'a Text,
    content: &'a Bytes,
    name: &'a [u8],
    text: &'a [u8],
}

struct Row {
    messages: Range<usize>,
    parent: Text,
    /// The value of `name`, with its quotes.
    name: Bytes,
    /// The end of its last text.
    seam: Seam,
}

impl Texts {
    /// Reads the texts of a batch of IOPub. `is_sent_as_it_is`: whether clients get the message with this index with this content,
    /// which is its own; if not, it is in no row.
    pub fn of(batch: &Batch, is_sent_as_it_is: impl Fn(usize, &Message, &[u8]) -> bool) -> Self {
        let mut texts = Self::default();
        texts.ends.reserve_exact(batch.messages().len());
        // Of a flood's short messages about an eighth is text
        texts.bytes.reserve_exact(FIRST_ROOM.min(batch.bytes() / 8));
        for (index, message) in batch.messages().iter().enumerate() {
            if let Some(found) = read(batch, message).filter(|found| is_sent_as_it_is(index, message, found.content)) {
                texts.add(index, &found);
            }
            texts.ends.push(texts.bytes.len());
        }
        texts
    }

    fn add(&mut self, index: usize, found: &Found<'_>) {
        let Found {
            parent,
            content,
            name,
            text,
        } = *found;
        let last = self.rows.last_mut().filter(|row| row.messages.end == index);
        match last.filter(|row| row.parent == *parent && row.name == name && row.seam.may_meet(text)) {
            Some(row) => {
                row.messages.end += 1;
                row.seam.pass(text);
            }
            None => self.rows.push(Row {
                messages: index..index + 1,
                parent: parent.clone(),
                name: content.slice_ref(name),
                seam: Seam::after(text),
            }),
        }
        self.bytes.extend_from_slice(text);
    }

    /// The end of the row that a message is in; the next message, if it is in none.
    pub fn row_end(&self, index: usize) -> usize {
        let row = self.row_at(index);
        row.map_or(index + 1, |row| row.messages.end)
    }

    fn row_at(&self, index: usize) -> Option<&Row> {
        let row = self
            .rows
            .get(self.rows.partition_point(|row| row.messages.end <= index));
        row.filter(|row| row.messages.start <= index)
    }

    /// The texts of the messages in `range` that are a row from its first message on, as many as have at most `room` bytes. None:
    /// not even the first one.
    pub fn fitting(&self, range: Range<usize>, room: u64) -> Option<StreamText<'_>> {
        let first = range.start;
        let row = self.row_at(first)?;
        let ends = self.ends.get(first..range.end.min(row.messages.end))?;
        let begin = |index: usize| index.checked_sub(1).map_or(0, |before| self.end(before));
        let start = begin(first);
        let messages = ends.partition_point(|end| wide(end - start) <= room);
        let end = *ends.get(messages.checked_sub(1)?)?;
        let last = begin(first + ends.partition_point(|before| *before < end));
        let (text, last) = (self.bytes.get(start..end)?, self.bytes.get(last..end)?);
        Some(StreamText {
            parent: Some(row.parent.as_bytes()),
            name: &row.name,
            text,
            last,
            count: Count {
                messages: wide(messages),
                bytes: wide(text.len()),
            },
        })
    }

    fn end(&self, index: usize) -> usize {
        self.ends.get(index).copied().unwrap_or_default()
    }
}

fn read<'a>(batch: &'a Batch, message: &'a Message) -> Option<Found<'a>> {
    let parts = batch.parts(message);
    let parent = merge::mergeable_parent(message, parts).filter(|_| message.is("stream"))?;
    let content = parts.get(3).filter(|content| content.len() <= merge::LARGE)?;
    let (name, text) = message.stream(content).whole()?;
    Some(Found {
        parent,
        content,
        name: content.get(name.clone())?,
        text: content.get(text.clone())?,
    })
}

/// Whether a batch consists of texts of one parent and name. Cost: one scan of each content, which is kept, up to another message.
pub fn may_be_one_row(batch: &Batch) -> bool {
    let mut found = batch.messages().iter().map(|message| read(batch, message));
    let Some(Some(first)) = found.next().filter(|_| batch.channel() == "iopub") else {
        return false;
    };
    found.all(|next| next.is_some_and(|next| next.parent == first.parent && next.name == first.name))
}

/// The most bytes of texts that room is made for beforehand.
const FIRST_ROOM: usize = 64 * 1024;

#[cfg(test)]
mod tests;

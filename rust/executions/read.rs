//! Reads a log: the output after a cursor, head and tail if it is over a limit, and exactly what is missing.
//!
//! A reader that takes `max_bytes` gets the first messages that fit into one half of it, and the last that fit into the other;
//! a text that does not fit is cut between two characters. Updates of displays are not shortened: a reader for which they are
//! too large begins anew. Cost: O(what is in the log after the cursor).

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::characters::boundaries;
use super::log::Log;
use crate::flow::entry::{Count, Entry, Item, Kind, Slot};
use crate::flow::merge;
use crate::flow::transcode;
use crate::kernel_wire::header::Header;
use crate::reader::wide;

/// A message of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its type: `stream`, `display_data`, `execute_result`, `error`.
    pub msg_type: String,
    /// Its content: JSON as the kernel wrote it, or with less text.
    pub content: Bytes,
}

/// One thing that a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Output.
    Output(Output),
    /// Messages are missing here.
    Gap,
}

/// What a reader gets.
#[derive(Debug, Default)]
pub struct Read {
    /// The output in order.
    pub pieces: Vec<Piece>,
    /// Displays that the reader has, which have changed.
    pub updates: Vec<Output>,
    /// The cursor for the next read.
    pub next: u64,
    /// The reader must forget what it has, and `pieces` begin anew: the output was cleared, or the reader's cursor is not known.
    pub cleared: bool,
    /// What is missing in `pieces`. A message of which a part is missing counts, and so do all that were merged into it.
    pub left_out: Count,
}

/// A message, what it counts for, and where its text is, if that can be cut.
pub(super) struct Weighed {
    pub(super) output: Output,
    pub(super) count: Count,
    text: Option<Range<usize>>,
}

#[derive(Clone, Copy)]
enum End {
    Front,
    Back,
}

/// Reads what follows the cursor `since`, at most `max_bytes` of content.
pub fn read(log: &mut Log, since: u64, max_bytes: u64) -> Read {
    let next = log.mark();
    let mut read = Read {
        next,
        cleared: !log.follows(since),
        ..Read::default()
    };
    let mut room = max_bytes;
    if !read.cleared {
        read.updates = log.updates(since).filter_map(|(_, slot)| output_of(slot)).collect();
        let size = read.updates.iter().map(Output::len).sum();
        // Updates cannot be shortened, but output can
        read.cleared = size > max_bytes;
        room = max_bytes.saturating_sub(size);
    }
    let mut since = since;
    if read.cleared {
        (since, room) = (0, max_bytes);
        read.updates.clear();
    }
    let (found, kept) = collect(log, since);
    read.left_out = log.dropped_after(since, kept);
    shorten(found, room, &mut read);
    read
}

/// The messages that are there after `since`, with None for each gap, and the sum of what they count for.
fn collect(log: &Log, since: u64) -> (VecDeque<Option<Weighed>>, Count) {
    let (mut found, mut kept) = (VecDeque::new(), Count::default());
    for slot in log.slots(since) {
        match &slot.item {
            Item::Message(entry) => {
                if let Some(weighed) = weigh(entry) {
                    kept.add(weighed.count);
                    found.push_back(Some(weighed));
                }
            }
            Item::Gap(_) => found.push_back(None),
            Item::Hole => {}
        }
    }
    (found, kept)
}

impl Output {
    fn len(&self) -> u64 {
        wide(self.content.len())
    }
}

/// The message of a slot.
pub(super) fn output_of(slot: &Slot) -> Option<Output> {
    match &slot.item {
        Item::Message(entry) => weigh(entry).map(|weighed| weighed.output),
        Item::Gap(_) | Item::Hole => None,
    }
}

pub(super) fn weigh(entry: &Entry) -> Option<Weighed> {
    let mut parts = transcode::decode(entry).ok()?.parts;
    let header = Header::read(parts.first()?).ok()?;
    let content = (parts.len() > 3).then(|| parts.swap_remove(3))?;
    let text = merge::text_range(&content).filter(|_| entry.kind == Kind::Stream);
    let msg_type = header.msg_type.as_str().to_owned();
    let output = Output { msg_type, content };
    let count = Count::of(entry);
    Some(Weighed { output, count, text })
}

/// Moves to `read` what fits: from the front and from the back, each into half of `max_bytes`. Adds the rest to `left_out`.
fn shorten(mut found: VecDeque<Option<Weighed>>, max_bytes: u64, read: &mut Read) {
    // What was dropped may be counted by a gap before the cursor, which is not among `found`
    if read.left_out != Count::default() && !found.iter().any(Option::is_none) {
        found.push_front(None);
    }
    let size: u64 = found.iter().flatten().map(|weighed| weighed.output.len()).sum();
    let half = if size <= max_bytes { size } else { max_bytes / 2 };
    let mut tail = Vec::new();
    take(&mut found, End::Front, half, &mut read.pieces);
    take(&mut found, End::Back, half, &mut tail);
    if !found.is_empty() {
        let rest = found.iter().flatten();
        rest.for_each(|weighed| read.left_out.add(weighed.count));
        read.pieces.push(Piece::Gap);
    }
    read.pieces.extend(tail.into_iter().rev());
    read.pieces
        .dedup_by(|one, other| *one == Piece::Gap && *other == Piece::Gap);
}

/// Moves what fits into `room` from one end of `found` to `out`. Of a text that does not fit, the part at this end is moved.
fn take(found: &mut VecDeque<Option<Weighed>>, end: End, room: u64, out: &mut Vec<Piece>) {
    let mut room = room;
    while let Some(next) = end.pop(found) {
        match next {
            None => out.push(Piece::Gap),
            Some(next) if next.output.len() <= room => {
                room -= next.output.len();
                out.push(Piece::Output(next.output));
            }
            Some(next) => {
                let (part, rest) = next.split(end, room);
                out.extend(part.map(Piece::Output));
                return end.push(found, rest);
            }
        }
    }
}

impl End {
    fn pop<T>(self, all: &mut VecDeque<T>) -> Option<T> {
        match self {
            Self::Front => all.pop_front(),
            Self::Back => all.pop_back(),
        }
    }

    fn push<T>(self, all: &mut VecDeque<Option<T>>, one: T) {
        match self {
            Self::Front => all.push_front(Some(one)),
            Self::Back => all.push_back(Some(one)),
        }
    }
}

impl Weighed {
    /// Splits off the text at this end: a message of at most `room` bytes of content. The rest still counts as a message.
    fn split(self, end: End, room: u64) -> (Option<Output>, Self) {
        let Some(place) = self.text.clone() else {
            return (None, self);
        };
        let text = self.output.content.get(place).unwrap_or_default();
        let room = room.saturating_sub(self.output.len() - wide(text.len()));
        let cut = match end {
            End::Front => boundaries(text, room).0,
            End::Back => boundaries(text, wide(text.len()).saturating_sub(room)).1,
        };
        let (front, back) = text.split_at_checked(cut).unwrap_or((text, b""));
        let (part, rest) = match end {
            End::Front => (front, back),
            End::Back => (back, front),
        };
        let shown = (!part.is_empty()).then(|| self.with(part).output);
        let mut rest = self.with(rest);
        rest.count.bytes = self.count.bytes.saturating_sub(wide(part.len()));
        (shown, rest)
    }

    /// The same message with another text.
    fn with(&self, text: &[u8]) -> Self {
        let place = self.text.clone().unwrap_or_default();
        let content = &self.output.content;
        let before = content.get(..place.start).unwrap_or_default();
        let after = content.get(place.end..).unwrap_or_default();
        Self {
            output: Output {
                msg_type: self.output.msg_type.clone(),
                content: Bytes::from([before, text, after].concat()),
            },
            count: self.count,
            text: Some(place.start..place.start + text.len()),
        }
    }
}

#[cfg(test)]
mod tests;

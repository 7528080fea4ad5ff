//! Reads a log: the output after a cursor, head and tail if it is over a limit, and exactly what is missing.
//!
//! A reader that takes `max_bytes` gets the first and the last messages that fit into one half of it each; a text that does
//! not fit is cut between two characters. Cost: O(what is in the log after the cursor).

use std::ops::Range;

use bytes::Bytes;

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
    /// The reader must forget what it has: `pieces` begin anew.
    pub cleared: bool,
    /// What is missing in `pieces`.
    pub left_out: Count,
}

/// A message with what it counts for.
pub(super) struct Weighed {
    pub(super) output: Output,
    pub(super) count: Count,
    text: Option<Range<usize>>,
}

/// Reads what follows the cursor `since`, at most `max_bytes` of content.
pub fn read(log: &mut Log, since: u64, max_bytes: u64) -> Read {
    let next = log.mark();
    let cleared = log.was_cleared(since);
    let since = if cleared { 0 } else { since.min(next) };
    let mut kept = Count::default();
    let mut found = Vec::new();
    for slot in log.slots(since) {
        match &slot.item {
            Item::Message(entry) => {
                if let Some(weighed) = weigh(entry) {
                    kept.add(weighed.count);
                    found.push(Some(weighed));
                }
            }
            Item::Gap(_) => found.push(None),
            Item::Hole => {}
        }
    }
    let appended = if log.knows(since) {
        log.appended_after(since)
    } else {
        kept
    };
    let left_out = Count {
        messages: appended.messages.saturating_sub(kept.messages),
        bytes: appended.bytes.saturating_sub(kept.bytes),
    };
    let updates = log.updates(since).filter_map(output_of).collect();
    let mut read = Read {
        updates,
        next,
        cleared,
        left_out,
        ..Read::default()
    };
    shorten(found, max_bytes, &mut read);
    read
}

/// The message of a slot.
pub fn output_of(slot: &Slot) -> Option<Output> {
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
    let mut count = Count::of(entry);
    if entry.kind == Kind::Stream {
        count.bytes = merge::text_bytes(&content);
    }
    let msg_type = header.msg_type.as_str().to_owned();
    let output = Output { msg_type, content };
    Some(Weighed { output, count, text })
}

/// Moves to `read` what fits: from the front and from the back, each into half of `max_bytes`.
fn shorten(found: Vec<Option<Weighed>>, max_bytes: u64, read: &mut Read) {
    let size = |weighed: &Weighed| wide(weighed.output.content.len());
    let whole: u64 = found.iter().flatten().map(size).sum();
    if whole <= max_bytes {
        let piece = |weighed: Option<Weighed>| weighed.map_or(Piece::Gap, |weighed| Piece::Output(weighed.output));
        read.pieces = found.into_iter().map(piece).collect();
        return;
    }
    let mut found = std::collections::VecDeque::from(found);
    let mut room = max_bytes / 2;
    while let Some(next) = found.pop_front() {
        match next {
            None => read.pieces.push(Piece::Gap),
            Some(next) if size(&next) <= room => {
                room -= size(&next);
                read.pieces.push(Piece::Output(next.output));
            }
            Some(next) => {
                let (head, rest) = split_front(next, room);
                read.pieces.extend(head.map(Piece::Output));
                found.push_front(Some(rest));
                break;
            }
        }
    }
    let mut tail = Vec::new();
    let mut room = max_bytes / 2;
    while let Some(next) = found.pop_back() {
        match next {
            None => tail.push(Piece::Gap),
            Some(next) if size(&next) <= room => {
                room -= size(&next);
                tail.push(Piece::Output(next.output));
            }
            Some(next) => {
                let (rest, end) = split_back(next, room);
                tail.extend(end.map(Piece::Output));
                found.push_back(Some(rest));
                break;
            }
        }
    }
    found
        .iter()
        .flatten()
        .for_each(|weighed| read.left_out.add(weighed.count));
    read.pieces.push(Piece::Gap);
    read.pieces.extend(tail.into_iter().rev());
    read.pieces
        .dedup_by(|one, other| *one == Piece::Gap && *other == Piece::Gap);
}

/// Cuts off the first `room` bytes of text, and returns them and the rest, which still counts as a message.
fn split_front(weighed: Weighed, room: u64) -> (Option<Output>, Weighed) {
    let Some(text) = weighed.text.clone() else {
        return (None, weighed);
    };
    let all = weighed.output.content.get(text.clone()).unwrap_or_default();
    let cut = boundary(all, room);
    split(&weighed, &text, cut)
}

/// Cuts off the last `room` bytes of text.
fn split_back(weighed: Weighed, room: u64) -> (Weighed, Option<Output>) {
    let Some(text) = weighed.text.clone() else {
        return (weighed, None);
    };
    let all = weighed.output.content.get(text.clone()).unwrap_or_default();
    let wanted = wide(all.len()).saturating_sub(room);
    let mut cut = boundary(all, wanted);
    if wide(cut) < wanted {
        cut += step(all.get(cut..).unwrap_or_default());
    }
    let rest = with_text(&weighed.output, &text, all.get(..cut).unwrap_or_default());
    let end = with_text(&weighed.output, &text, all.get(cut..).unwrap_or_default());
    let count = Count {
        bytes: weighed.count.bytes.min(wide(cut)),
        ..weighed.count
    };
    let end = (cut < all.len()).then_some(end);
    (
        Weighed {
            output: rest,
            count,
            text: None,
        },
        end,
    )
}

fn split(weighed: &Weighed, text: &Range<usize>, cut: usize) -> (Option<Output>, Weighed) {
    let all = weighed.output.content.get(text.clone()).unwrap_or_default();
    let head = with_text(&weighed.output, text, all.get(..cut).unwrap_or_default());
    let rest = with_text(&weighed.output, text, all.get(cut..).unwrap_or_default());
    let moved = text.start..text.start + (all.len() - cut);
    let count = Count {
        bytes: weighed.count.bytes.saturating_sub(wide(cut)),
        ..weighed.count
    };
    let rest = Weighed {
        output: rest,
        count,
        text: Some(moved),
    };
    ((cut > 0).then_some(head), rest)
}

/// The output with `text` in the place of its own.
fn with_text(output: &Output, place: &Range<usize>, text: &[u8]) -> Output {
    let content = &output.content;
    let before = content.get(..place.start).unwrap_or_default();
    let after = content.get(place.end..).unwrap_or_default();
    Output {
        msg_type: output.msg_type.clone(),
        content: Bytes::from([before, text, after].concat()),
    }
}

/// The last position up to `limit` between two characters of the inside of a JSON string.
fn boundary(text: &[u8], limit: u64) -> usize {
    let mut at = 0;
    loop {
        let end = at + step(text.get(at..).unwrap_or_default());
        if end == at || wide(end) > limit {
            return at;
        }
        at = end;
    }
}

/// The length of the first character: an escape, a pair of escaped surrogates, or the bytes of one in UTF-8.
fn step(text: &[u8]) -> usize {
    let len = match text {
        [] => 0,
        [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', ..] => match text.get(6..) {
            Some([b'\\', b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', ..]) => 12,
            _ => 6,
        },
        [b'\\', b'u', ..] => 6,
        [b'\\', ..] => 2,
        [_, rest @ ..] => 1 + rest.iter().take_while(|byte| (0x80..0xc0).contains(*byte)).count(),
    };
    len.min(text.len())
}

//! The log of one execution: its output in order, merged and cut by the rules of the outbox.
//!
//! ```text
//! 0 ------- since ---------- next          a cursor is the number of the last slot that a reader has
//!   text, displays, gaps ...
//! ```
//!
//! `clear_output` empties the log. An update of a display changes the display where it stands; a reader that already has it
//! gets it again as an update. The log counts all that was appended, so that a reader can be told exactly what it misses. A
//! message shares the buffer of its batch only if it is nearly all of it. Otherwise it is copied, because the other messages
//! may be dropped, cleared or updated long before it. Cost: O(1) a message, or for all texts of a batch that are in a row, and a
//! copy of each text and of each message that is not merged.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::split;
use crate::batch::{Message, content_of};
use crate::client_wire::Protocol;
use crate::flow::encoded::Encoded;
use crate::flow::entry::{Count, Entry, Item, Kind, Parent, Reason, Slot};
use crate::flow::frame::Frame;
use crate::flow::lane::IopubLane;
use crate::flow::merge;
use crate::flow::pacing::Class;
use crate::flow::transcode;
use crate::json;
use crate::reader::wide;

/// The output of one execution.
#[derive(Default)]
pub struct Log {
    lane: IopubLane,
    parent: Option<Arc<Parent>>,
    /// The output will be cleared when the next message arrives: `clear_output` with `wait`.
    clears_next: bool,
    /// Readers with a cursor below this number have output that is gone.
    cleared: u64,
    /// For each display that was updated after it was appended: the number of its last update.
    updated: BTreeMap<u64, u64>,
    /// What was appended since the last clear.
    appended: Count,
    /// How much had been appended at the cursors that readers got last.
    marks: VecDeque<(u64, Count)>,
}

impl Log {
    /// Appends the texts with which the messages in `range` begin, if they continue the last message. Returns how many; `append`
    /// would have the same result. A flood consists of such messages.
    pub fn join(&mut self, encoded: &Encoded, range: Range<usize>, text_limit: u64) -> usize {
        if self.clears_next || !self.lane.awaits_text() {
            return 0;
        }
        let (texts, limit) = (encoded.texts(), merge_limit(text_limit));
        let joined = self.lane.append_texts(texts, range, encoded.protocol, limit);
        if joined.messages > 0 {
            self.appended.add(joined);
            self.lane.cut(text_limit, Reason::Full);
        }
        usize::try_from(joined.messages).unwrap_or(usize::MAX)
    }

    /// Takes a message of IOPub that is output or clears it. False: it is another one. Kernels of protocol 4 have other names for
    /// some types.
    pub fn take(&mut self, message: &Message, parts: &[Bytes], entry: Entry, text_limit: u64) -> bool {
        match message.msg_type() {
            "stream" | "error" | "pyerr" | "display_data" | "execute_result" | "pyout" => {
                self.append(message, parts, entry, text_limit);
            }
            "clear_output" => {
                self.clear_output(json::member(content_of(parts), b"wait") == Some(b"true"));
            }
            _ => return false,
        }
        true
    }

    /// Appends output. `entry` has the message, encoded for either subprotocol; `text_limit` is the most text that is kept; 0: no
    /// limit.
    pub fn append(&mut self, message: &Message, parts: &[Bytes], mut entry: Entry, text_limit: u64) {
        self.clear_if_due();
        let mut key = None;
        // The limits of a journal always hold, so everything but text can be dropped, as a display can
        entry.kind = Kind::Display;
        let parent = Parent::of(message, parts, self.parent.take(), self.lane.parent_memory());
        entry.parent = Some(Arc::clone(&parent));
        self.parent = Some(parent);
        if message.is("stream") {
            entry.kind = Kind::Stream;
            key = merge::read_stream(&mut entry, message, parts, true);
        } else {
            entry.text = wide(content_of(parts).len());
        }
        if !entry.measured {
            // Exact from the start, so that it counts the same whenever it is dropped
            (entry.text, entry.measured) = (Count::of_message(&entry, parts).bytes, true);
        }
        self.appended.add(Count::of(&entry));
        let limit = merge_limit(text_limit);
        if 0 < text_limit
            && text_limit < entry.text
            && entry.kind == Kind::Stream
            && let Some(split) = split::split(parts, limit)
        {
            return self.append_parts(&entry, split, text_limit);
        }
        let key = key.filter(|_| entry.text < limit);
        if key.is_none() {
            entry.frame.detach();
        }
        self.lane.append(entry, key, limit);
        self.lane.detach_open();
        self.lane.cut(text_limit, Reason::Full);
    }

    /// Appends a message in parts, so that its beginning and its end can be kept. The first one counts as the message.
    fn append_parts(&mut self, whole: &Entry, parts: impl Iterator<Item = split::Part>, text_limit: u64) {
        for (index, part) in parts.enumerate() {
            let entry = Entry {
                frame: part.frame,
                protocol: Protocol::V1,
                messages: u64::from(index == 0),
                text: part.text,
                ..whole.clone()
            };
            self.lane.append(entry, None, 0);
            self.lane.cut(text_limit, Reason::Full);
        }
    }

    /// Appends a message of the server itself, encoded for v1.
    pub fn append_own(&mut self, frame: Frame) {
        self.clear_if_due();
        let mut entry = Entry::plain(frame, Protocol::V1, Class::Exempt);
        entry.kind = Kind::Display;
        entry.text = content_len(&entry);
        self.appended.add(Count::of(&entry));
        self.lane.append(entry, None, 0);
    }

    /// Handles a `clear_output`. `wait`: at the next output.
    pub fn clear_output(&mut self, wait: bool) {
        self.clears_next = true;
        if !wait {
            self.clear_if_due();
        }
    }

    /// Whether the output will be cleared when the next message arrives.
    pub fn clears_next(&self) -> bool {
        self.clears_next
    }

    fn clear_if_due(&mut self) {
        if std::mem::take(&mut self.clears_next) {
            self.clear();
        }
    }

    fn clear(&mut self) {
        let cleared = self.end() + 1;
        *self = Self {
            cleared,
            ..Self::default()
        };
        self.lane.number_from(cleared);
    }

    /// Closes the last slot, so that later text begins a new one, and returns its number.
    pub fn end(&mut self) -> u64 {
        self.lane.close();
        self.lane.last_seq()
    }

    /// Makes a new cursor without output, because something else has changed: readers with an earlier cursor have news.
    pub fn touch(&mut self) {
        self.lane.number_from(self.lane.last_seq() + 1);
    }

    /// The number of the last appended message. Not for text, which gets its number only when it is closed.
    pub fn newest(&self) -> u64 {
        self.lane.last_seq()
    }

    /// Replaces the display in the slot `seq` by the frame that `make` returns. False: the log does not have it any more, or
    /// there is no such frame.
    pub fn update(&mut self, seq: u64, make: impl FnOnce(&Entry) -> Option<Frame>) -> bool {
        let mut sizes = None;
        self.lane.change(seq, |item| {
            if let Item::Message(entry) = item
                && let Some(frame) = make(entry)
            {
                let before = entry.content_bytes();
                (entry.frame, entry.protocol) = (frame, Protocol::V1);
                entry.text = content_len(entry);
                sizes = Some((before, entry.content_bytes()));
            }
        });
        let Some((before, after)) = sizes else {
            return false;
        };
        // As if it had been appended with this size
        let marked = self.marks.iter_mut().filter(|(at, _)| *at >= seq);
        for count in marked.map(|(_, count)| count).chain([&mut self.appended]) {
            count.bytes = (count.bytes + after).saturating_sub(before);
        }
        self.touch();
        self.updated.insert(seq, self.newest());
        true
    }

    /// Drops one message of text if text takes more than `text_limit` bytes of memory, else the oldest display. False: neither
    /// was dropped.
    pub fn drop_one(&mut self, text_limit: u64) -> bool {
        self.lane.close();
        // Counts the upkeep of all slots as that of text: if there are many slots, most are short texts
        let text_limit = text_limit.saturating_sub(self.slot_upkeep());
        let dropped = self.lane.drop_text(text_limit) || self.lane.drop_oldest_display();
        while let Some(first) = self.updated.first_entry()
            && *first.key() < self.lane.first_display()
        {
            first.remove();
        }
        dropped
    }

    /// Drops all output. It still counts as appended, so readers begin anew and learn how much they miss. False: there is none.
    pub fn drop_all(&mut self) -> bool {
        let (appended, clears_next) = (self.appended, self.clears_next);
        let any = !self.lane.is_empty();
        if any {
            self.clear();
            (self.appended, self.clears_next) = (appended, clears_next);
        }
        any
    }

    /// Displays up to this slot are gone.
    pub fn gone(&self) -> u64 {
        self.cleared.max(self.lane.first_display().saturating_sub(1))
    }

    /// Bytes of memory.
    pub fn memory(&self) -> u64 {
        let notes = self.updated.len() * UPDATE_UPKEEP + self.marks.len() * size_of::<(u64, Count)>();
        self.lane.sums().bytes + self.lane.parents() + self.slot_upkeep() + wide(notes)
    }

    fn slot_upkeep(&self) -> u64 {
        wide(self.lane.slots() * SLOT_UPKEEP)
    }

    /// Remembers a cursor that a reader gets, and returns it.
    pub fn mark(&mut self) -> u64 {
        let next = self.end();
        if self.marks.back().is_none_or(|(at, _)| *at < next) {
            if self.marks.len() >= MARKS {
                self.marks.pop_front();
            }
            self.marks.push_back((next, self.appended));
        }
        next
    }

    /// Whether a reader with this cursor has output that is gone, and must begin anew.
    pub fn was_cleared(&self, since: u64) -> bool {
        0 < since && since < self.cleared
    }

    /// What was appended since the last clear.
    pub fn appended(&self) -> Count {
        self.appended
    }

    /// Whether a reader with this cursor can go on. If not, it must begin anew: it has output that was cleared, or the log does
    /// not know how much was dropped after the cursor.
    pub fn follows(&self, since: u64) -> bool {
        let is_here = (self.cleared..=self.lane.last_seq()).contains(&since);
        let is_known = since >= self.lane.dropped_upto() || self.marked(since).is_some();
        since == 0 || (is_here && is_known)
    }

    /// What was dropped after the cursor `since`, for which `follows` is true. `kept`: what is still there after it.
    pub fn dropped_after(&self, since: u64, kept: Count) -> Count {
        let before = if since == 0 {
            Some(Count::default())
        } else {
            self.marked(since)
        };
        // Without a mark nothing was dropped; see `follows`
        before.map_or_else(Count::default, |before| Count {
            messages: self.appended.messages.saturating_sub(before.messages + kept.messages),
            bytes: self.appended.bytes.saturating_sub(before.bytes + kept.bytes),
        })
    }

    /// What had been appended at a cursor that a reader got lately.
    fn marked(&self, since: u64) -> Option<Count> {
        let found = self.marks.binary_search_by_key(&since, |(at, _)| *at).ok()?;
        self.marks.get(found).map(|(_, count)| *count)
    }

    /// The slots after `since`, in order.
    pub fn slots(&self, since: u64) -> impl Iterator<Item = &Slot> {
        self.lane.slots_from(since + 1)
    }

    /// The displays up to `since` that were updated after it, with the numbers of their last updates.
    pub fn updates(&self, since: u64) -> impl Iterator<Item = (u64, &Slot)> {
        let changed = self.updated.range(..=since).filter(move |(_, number)| **number > since);
        let slot = |seq: u64| self.lane.slots_from(seq).next().filter(|slot| slot.seq == seq);
        changed.filter_map(move |(seq, number)| slot(*seq).map(|slot| (*number, slot)))
    }
}

/// Bytes of an entry's content.
fn content_len(entry: &Entry) -> u64 {
    transcode::decode(entry).map_or(0, |message| wide(content_of(&message.parts).len()))
}

/// The most text in one slot.
fn merge_limit(text_limit: u64) -> u64 {
    match text_limit {
        0 => merge::MERGED_TEXT,
        limit => merge::MERGED_TEXT.min(limit.max(2) / 2),
    }
}

/// How many cursors a log remembers. Each reader that follows an execution uses one at a time.
const MARKS: usize = 256;

/// Bytes of one entry of `updated`, with its share of a node.
const UPDATE_UPKEEP: usize = 48;

/// Bytes of a slot besides itself and its frame: the `Source` of a frame that is shared with no other, the overhead of the
/// allocator, and the unused part of the queue.
const SLOT_UPKEEP: usize = 192;

#[cfg(test)]
mod clear_tests;
#[cfg(any(test, fuzzing))]
mod tests;

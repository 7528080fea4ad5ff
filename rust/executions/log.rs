//! The log of one execution: its output in order, merged and cut by the rules of the outbox.
//!
//! ```text
//! 0 ------- since ---------- next          a cursor is the number of the last slot that a reader has
//!   text, displays, gaps ...
//! ```
//!
//! `clear_output` empties the log. An update of a display changes the display where it stands; a reader that already has it
//! gets it again as an update. The log counts all that was appended, so that a reader can be told exactly what it misses.
//! Cost: O(1) a message, and the scan of `merge` for text.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::Message;
use crate::client_wire::Protocol;
use crate::flow::entry::{Count, Entry, Item, Kind, Parent, Reason, Slot};
use crate::flow::frame::Frame;
use crate::flow::lane::IopubLane;
use crate::flow::merge;
use crate::flow::pacing::Class;
use crate::flow::source::Source;
use crate::reader::wide;

/// The output of one execution.
#[derive(Default)]
pub struct Log {
    lane: IopubLane,
    parent: Option<Arc<Parent>>,
    /// The output will be cleared when the next message arrives: `clear_output` with `wait`.
    clears_next: bool,
    /// Readers with a cursor below this number have output that was cleared.
    cleared: u64,
    /// For each display that was updated after it was appended: the number of its last update.
    updated: BTreeMap<u64, u64>,
    /// What was appended since the last clear.
    appended: Count,
    /// How much had been appended at the cursors that readers got last.
    marks: VecDeque<(u64, Count)>,
}

impl Log {
    /// Appends output. `frame` is the message encoded for v1, `text_limit` the most text that is kept.
    pub fn append(&mut self, message: &Message, parts: &[Bytes], frame: Frame, text_limit: u64) {
        if std::mem::take(&mut self.clears_next) {
            self.clear();
        }
        let mut entry = Entry::plain(frame, Protocol::V1, Class::Exempt);
        let mut key = None;
        // Everything but text may be dropped like a display: of a journal its limits hold
        entry.kind = Kind::Display;
        let parent = self.parent.take();
        let parent = Parent::of(message, parts, parent, self.lane.parent_memory());
        entry.parent = Some(Arc::clone(&parent));
        self.parent = Some(parent);
        if message.msg_type() == "stream" {
            entry.kind = Kind::Stream;
            key = merge::read_stream(&mut entry, message, parts, true);
        }
        self.appended.add(if entry.measured {
            Count::of(&entry)
        } else {
            Count::of_message(&entry, parts)
        });
        let limit = merge::MERGED_TEXT.min(text_limit.max(2) / 2);
        let key = key.filter(|_| entry.text < limit);
        self.lane.append(entry, key, limit);
        self.lane.cut(text_limit, Reason::Full);
    }

    /// Appends a message of the server itself, encoded for v1.
    pub fn append_own(&mut self, frame: Frame) {
        let mut entry = Entry::plain(frame, Protocol::V1, Class::Exempt);
        entry.kind = Kind::Display;
        self.appended.add(Count::of(&entry));
        self.lane.append(entry, None, 0);
    }

    /// Handles a `clear_output`. `wait`: at the next output.
    pub fn clear_output(&mut self, wait: bool) {
        self.clears_next = wait;
        if !wait {
            self.clear();
        }
    }

    fn clear(&mut self) {
        let next = self.end() + 1;
        *self = Self {
            cleared: next,
            ..Self::default()
        };
        self.lane.number_from(next);
    }

    /// The number of the last slot, closing it: later text begins a new one.
    pub fn end(&mut self) -> u64 {
        self.lane.close();
        self.lane.last_seq()
    }

    /// Something else than the output has changed: readers with an earlier cursor have news.
    pub fn touch(&mut self) {
        let number = self.end() + 1;
        self.lane.number_from(number);
    }

    /// The number that the last appended message has.
    pub fn newest(&self) -> u64 {
        self.lane.last_seq()
    }

    /// Replaces the display in the slot `seq` by `frame`. False: the log does not have it any more.
    pub fn update(&mut self, seq: u64, make: impl FnOnce(&Entry) -> Option<Frame>) -> bool {
        let mut sizes = None;
        self.lane.change(seq, |item| {
            if let Item::Message(entry) = item
                && let Some(frame) = make(entry)
            {
                let before = entry.content_bytes();
                entry.frame = frame;
                sizes = Some((before, entry.content_bytes()));
            }
        });
        let Some((before, after)) = sizes else {
            return false;
        };
        // As if it had been appended with this size
        for count in self
            .marks
            .iter_mut()
            .filter(|(at, _)| *at >= seq)
            .map(|(_, count)| count)
        {
            count.bytes = (count.bytes + after).saturating_sub(before);
        }
        self.appended.bytes = (self.appended.bytes + after).saturating_sub(before);
        self.touch();
        self.updated.insert(seq, self.newest());
        true
    }

    /// Copies frames of `source` after the slot `seq` if they would keep a large buffer in memory.
    pub fn unshare(&mut self, source: &Arc<Source>, seq: u64) {
        self.lane.unshare(source, seq);
    }

    /// Drops one message of text, else the oldest display. False: nothing is left.
    pub fn drop_one(&mut self, room: u64) -> bool {
        self.lane.close();
        self.lane.drop_text(room) || self.lane.drop_oldest_display()
    }

    /// Bytes of memory.
    pub fn memory(&self) -> u64 {
        let notes = self.updated.len() * UPDATE_UPKEEP + self.marks.len() * size_of::<(u64, Count)>();
        self.lane.sums().bytes + self.lane.parents() + wide(notes)
    }

    /// What was dropped since the last clear.
    pub fn left_out(&self) -> Count {
        let mut sum = Count::default();
        self.lane.left_out().into_iter().for_each(|count| sum.add(count));
        sum
    }

    /// Whether a reader with this cursor has output that was cleared since.
    pub fn was_cleared(&self, since: u64) -> bool {
        0 < since && since < self.cleared
    }

    /// The slots after `since`, in order.
    pub fn slots(&self, since: u64) -> impl Iterator<Item = &Slot> {
        self.lane.slots_from(since + 1)
    }

    /// The displays up to `since` that were updated after it.
    pub fn updates(&self, since: u64) -> impl Iterator<Item = &Slot> {
        let changed = self
            .updated
            .iter()
            .filter(move |(seq, number)| **seq <= since && **number > since);
        changed.filter_map(|(seq, _)| self.lane.slots_from(*seq).next().filter(|slot| slot.seq == *seq))
    }

    /// What was appended after `since`: exact for a cursor that a reader got lately, else all.
    pub fn appended_after(&self, since: u64) -> Count {
        let known = self
            .marks
            .iter()
            .rev()
            .find(|(at, _)| *at == since)
            .map(|(_, count)| *count);
        let before = known.unwrap_or_default();
        Count {
            messages: self.appended.messages.saturating_sub(before.messages),
            bytes: self.appended.bytes.saturating_sub(before.bytes),
        }
    }

    /// Whether `appended_after` is exact for this cursor.
    pub fn knows(&self, since: u64) -> bool {
        since <= self.cleared || self.marks.iter().any(|(at, _)| *at == since)
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
}

/// How many cursors a log remembers. Each reader that follows an execution uses one at a time.
const MARKS: usize = 256;

/// Bytes of one entry of `updated`, with its share of a node.
const UPDATE_UPKEEP: usize = 48;

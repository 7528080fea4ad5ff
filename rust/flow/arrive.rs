//! Appends messages to an outbox: chooses the lane, reads the properties that later rules need, and tries to merge.
//!
//! Cost: O(1) a message, and the scan of `merge` for updates of displays. Texts in a row that continue the last message are
//! appended together, and are read once for all outboxes; see `texts`.

use std::ops::Range;
use std::sync::Arc;

use super::encoded::Encoded;
use super::entry::{Entry, Item, Kind, Parent, Slot};
use super::frame::Frame;
use super::merge::{self, MergeKey};
use super::outbox::Outbox;
use super::pacing::Class;
use super::process::Ended;
use super::sent::Lane;
use crate::batch::{Batch, Message};
use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::reader::wide;

impl Outbox {
    /// Appends the messages `start..stop` of a batch.
    pub fn append(&mut self, encoded: &Encoded, start: usize, stop: usize, now: f64) {
        let batch = &*encoded.batch;
        self.cut();
        if !self.merges() {
            encoded.source();
        }
        let (seq, merged) = (self.iopub.last_seq(), self.iopub.merged());
        let (mut index, mut late) = (start, self.next_late(batch, start, stop));
        while let Some(message) = batch.messages().get(index).filter(|_| index < stop) {
            if late < index {
                late = self.next_late(batch, index, stop);
            }
            let joined = self.append_texts(encoded, index..late);
            if joined == 0 && !encoded.is_refused(index) {
                self.append_one(batch, message, encoded.frame(index), encoded.protocol, now);
            }
            index += joined.max(1);
        }
        let is_part = self.iopub.merged() > merged || start > 0 || stop < batch.messages().len() || encoded.is_split();
        if let Some(source) = encoded.source_if_any().filter(|_| is_part) {
            self.iopub.unshare(source, seq);
        }
        if !self.attached {
            self.cut();
        }
    }

    /// Appends messages that replay an execution: `id` and `header` are those of its request. The rate limits do not apply.
    pub fn append_replay(&mut self, entries: impl IntoIterator<Item = Entry>, id: &str, header: &[u8]) {
        self.cut();
        let parent = Parent::new(Some(id.as_bytes()), header, &self.iopub.parents);
        for mut entry in entries {
            self.cursors.appended += entry.messages;
            entry.parent = matches!(entry.kind, Kind::Stream | Kind::Display).then(|| Arc::clone(&parent));
            self.push(Lane::Iopub, entry);
        }
        if !self.attached {
            self.cut();
        }
    }

    /// Appends the replies and prompts of a batch whose parent is the request `id`. They stay behind the output before them, for
    /// a client that did not send this request.
    pub fn append_copies(&mut self, encoded: &Encoded, id: &str) {
        for (index, message) in encoded.batch.messages().iter().enumerate() {
            let parent = message.fields().and_then(|fields| fields.parent.msg_id.as_ref());
            if encoded.is_refused(index) || parent.is_none_or(|parent| parent.as_str() != id) {
                continue;
            }
            let mut frame = encoded.frame(index);
            frame.unshare();
            let mut entry = Entry::plain(frame, encoded.protocol, Class::Exempt);
            if message.is("input_request") {
                entry.kind = Kind::Prompt;
            }
            self.cursors.appended += 1;
            self.push(Lane::Iopub, entry);
        }
    }

    /// Merges the texts with which the messages in `range` begin into the last message, if they continue it. Returns how many.
    fn append_texts(&mut self, encoded: &Encoded, range: Range<usize>) -> usize {
        let may_merge = self.merges() && encoded.protocol == self.protocol && encoded.batch.channel() == "iopub";
        let gap_is_next = self.ended.as_ref().is_some_and(Ended::has_gap);
        // While the last message waits for more text, no message would be sent at once
        if !may_merge || gap_is_next || !self.iopub.awaits_text() {
            return 0;
        }
        let (texts, limit) = (encoded.texts(), self.merge_limit());
        let merged = self.iopub.append_texts(texts, range, encoded.protocol, limit);
        self.cursors.appended += merged.messages;
        usize::try_from(merged.messages).unwrap_or(usize::MAX)
    }

    /// The first of the messages `start..stop` that a replaced process has sent; `stop` if there is none.
    fn next_late(&self, batch: &Batch, start: usize, stop: usize) -> usize {
        let late = self.ended.as_ref().and_then(|ended| {
            let mut messages = batch.messages().iter().enumerate().take(stop).skip(start);
            messages.find(|(_, message)| ended.is_author_of(message))
        });
        late.map_or(stop, |(late, _)| late)
    }

    fn append_one(&mut self, batch: &Batch, message: &Message, frame: Frame, protocol: Protocol, now: f64) {
        self.cursors.appended += 1;
        let msg_type = message.msg_type();
        let parts = batch.parts(message);
        let size = || parts.iter().map(|part| wide(part.len())).sum();
        let class = Class::of(msg_type, message.is_idle(), size);
        let mut entry = Entry::plain(frame, protocol, class);
        if batch.channel() != "iopub" {
            // The limits apply to IOPub only
            entry.class = Class::Exempt;
            return self.push_answer(batch.channel(), msg_type, entry);
        }
        entry.kind = Kind::of(msg_type);
        if self.ended.as_ref().is_some_and(|ended| ended.is_author_of(message)) {
            return self.drop_of_ended(&entry, message, parts);
        }
        if entry.kind == Kind::Plain {
            self.push(Lane::Iopub, entry);
            return self.note_execution(message);
        }
        let parent = Parent::of(message, parts, self.parent.upgrade(), &self.iopub.parents);
        self.parent = Arc::downgrade(&parent);
        entry.parent = Some(parent);
        let merge = self.merges() && protocol == self.protocol && !self.leaves_at_once(&entry, now);
        let key = match entry.kind {
            Kind::Stream => merge::read_stream(&mut entry, message, parts, merge),
            Kind::Update if merge => merge::read_update(&entry, message, parts),
            _ => None,
        };
        self.push_iopub(entry, key);
    }

    /// Appends a message of another channel than IOPub. A prompt goes to the IOPub lane, to stay behind the output before it.
    fn push_answer(&mut self, channel: &str, msg_type: &str, mut entry: Entry) {
        let prompt = channel == "stdin" && msg_type == "input_request";
        if prompt {
            entry.kind = Kind::Prompt;
        }
        self.push(if prompt { Lane::Iopub } else { Lane::Replies }, entry);
    }

    /// Appends a message of the server itself. `payload` is encoded for the client's subprotocol.
    pub fn append_own(&mut self, lane: Lane, opcode: Opcode, payload: &[u8]) {
        self.cursors.appended += 1;
        let entry = self.own(opcode, payload);
        self.push(lane, entry);
    }

    pub(super) fn own(&self, opcode: Opcode, payload: &[u8]) -> Entry {
        let mut entry = Entry::plain(Frame::own(opcode, payload), self.protocol, Class::Exempt);
        entry.kind = Kind::Own;
        entry
    }

    pub(super) fn push(&mut self, lane: Lane, entry: Entry) {
        match lane {
            Lane::Iopub => self.push_iopub(entry, None),
            Lane::Replies => self.replies.push_back(Slot {
                seq: 0,
                item: Item::Message(entry),
            }),
        }
    }

    fn push_iopub(&mut self, entry: Entry, key: Option<MergeKey>) {
        self.place_ended_gap();
        let limit = self.merge_limit();
        // A message that reaches the limit alone is not merged
        let key = key.filter(|_| entry.text < limit);
        self.iopub.append(entry, key, limit);
    }

    fn merge_limit(&self) -> u64 {
        match self.config.backlog_limit {
            0 => merge::MERGED_TEXT,
            // `cut` could drop the newest message if it had more than half of the limit
            limit => merge::MERGED_TEXT.min(limit / 2),
        }
    }

    /// Whether messages are merged. If not, all frames of a batch are needed.
    pub fn merges(&self) -> bool {
        self.config.merge_window > 0.0
    }

    /// Whether a message that arrives now can be sent immediately. Then merging would only delay it.
    fn leaves_at_once(&self, entry: &Entry, now: f64) -> bool {
        let unacknowledged = self.sent.bytes(Lane::Iopub);
        let fits = unacknowledged == 0 || unacknowledged + wide(entry.frame.len()) <= self.config.high_water;
        self.attached && self.iopub.is_empty() && self.window_end(entry.kind, now).is_none() && fits
    }

    /// When the merge window of this kind of message ends; None if it has ended.
    pub(super) fn window_end(&self, kind: Kind, now: f64) -> Option<f64> {
        let [stream, update] = self.last_left;
        let left = match kind {
            Kind::Stream => stream,
            Kind::Update => update,
            _ => return None,
        };
        let end = left + self.config.merge_window;
        // A clock that runs backwards ends the window
        (left <= now && now < end).then_some(end)
    }
}

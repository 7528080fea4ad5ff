//! Decides which messages are sent next, and when.
//!
//! Replies are sent first, up to their own high-water mark. Then IOPub messages are sent in strict order until the
//! unacknowledged bytes reach the high-water mark, the rate limits hold the next message, or it waits for the merge window
//! to end. If only time can change that, `take` returns when to call again. Cost: O(1) for each message; frames that were
//! encoded together are sent together and not copied.

use super::entry::{Entry, Gap, Item, Kind, Reason};
use super::frame::{Frame, FrameList};
use super::lane::{Head, Leaving};
use super::outbox::Outbox;
use super::sent::Lane;
use super::transcode::transcode;
use crate::reader::wide;

/// What to do next for a client.
pub enum Taken {
    /// Write these frames, flush, and call `take` again.
    Frames(FrameList),
    /// Write a notice for this gap and pass it to `fill_gap`.
    Gap(u64, Gap),
    /// Read this block from the disk and pass it to `restore`.
    Block(u64),
    /// Nothing until a message is appended or acknowledged, or until this time.
    Nothing(Option<f64>),
}

/// Why `collect` stopped.
enum StopReason {
    Room,
    Gap(u64, Gap),
    Block(u64),
    Blocked(Option<f64>),
}

/// The frames of one `take`, and the room for them.
struct Out {
    frames: FrameList,
    len: u64,
    room: u64,
    /// Whether consecutive frames are joined.
    together: bool,
}

impl Out {
    /// Whether a message of `len` bytes fits. The first message always does.
    fn has_room(&self, len: u64) -> bool {
        self.len == 0 || self.len + len <= self.room
    }

    fn push(&mut self, frame: &Frame) {
        self.len += wide(frame.len());
        if self.together {
            self.frames.push(frame);
        } else {
            self.frames.pieces.push(frame.clone());
        }
    }
}

impl Outbox {
    /// What to send now: about `max_bytes` at most, but at least one message.
    pub fn take(&mut self, now: f64, max_bytes: u64) -> Taken {
        self.take_as(now, max_bytes, true)
    }

    /// Like `take`, with one frame for each message.
    pub fn take_messages(&mut self, now: f64, max_bytes: u64) -> Taken {
        self.take_as(now, max_bytes, false)
    }

    fn take_as(&mut self, now: f64, room: u64, together: bool) -> Taken {
        if !self.attached {
            return Taken::Nothing(None);
        }
        let mut out = Out {
            frames: FrameList::default(),
            len: 0,
            room,
            together,
        };
        let stop = self.collect(now, &mut out);
        if matches!(stop, StopReason::Blocked(_)) {
            self.wait_stats.end_take(now);
        }
        if matches!(stop, StopReason::Blocked(_) | StopReason::Block(_)) {
            self.cut();
        }
        if !out.frames.is_empty() {
            return Taken::Frames(out.frames);
        }
        match stop {
            StopReason::Gap(id, gap) => {
                self.iopub.end_gap();
                Taken::Gap(id, gap)
            }
            StopReason::Block(id) => Taken::Block(id),
            StopReason::Blocked(wake_at) => Taken::Nothing(wake_at),
            // The first message always has room
            StopReason::Room => Taken::Nothing(None),
        }
    }

    fn collect(&mut self, now: f64, out: &mut Out) -> StopReason {
        if self.collect_replies(now, out) {
            return StopReason::Room;
        }
        loop {
            let unacknowledged = self.sent.bytes(Lane::Iopub);
            let full = unacknowledged > 0 && unacknowledged >= self.config.high_water;
            let (leaving, open) = match self.iopub.head(self.protocol) {
                Head::Empty => return StopReason::Blocked(None),
                Head::Gap(..) if full => return self.blocked_by_client(),
                Head::Gap(id, gap) => return StopReason::Gap(id, gap.clone()),
                // Even above the high-water mark: the block is read while the client acknowledges
                Head::Block(id) => return StopReason::Block(id),
                Head::Message(leaving) => (leaving, None),
                Head::Open(leaving, kind) => (leaving, Some(kind)),
            };
            if unacknowledged > 0 && unacknowledged + leaving.len > self.config.high_water {
                return self.blocked_by_client();
            }
            if let Some(stop) = self.too_early(leaving, open, now) {
                return stop;
            }
            if !out.has_room(leaving.len) {
                return StopReason::Room;
            }
            let Some(entry) = self.iopub.pop() else {
                return StopReason::Blocked(None);
            };
            let held = self.holds(leaving.seq);
            self.leave_iopub(entry, held, now, out);
        }
    }

    /// Whether the rate limits apply to the slot `seq`. They do not apply to messages before an announcement or an interrupt.
    fn holds(&self, seq: u64) -> bool {
        self.config.hold && (seq == 0 || seq > self.unlimited_upto)
    }

    fn blocked_by_client(&mut self) -> StopReason {
        self.reason = Reason::SlowClient;
        self.sent.want_ping();
        self.wait_stats.blocked_by = Some(self.reason);
        StopReason::Blocked(None)
    }

    /// Whether the rate limits or the merge window delay the next message.
    fn too_early(&mut self, leaving: Leaving, open: Option<Kind>, now: f64) -> Option<StopReason> {
        if self.holds(leaving.seq) {
            let ready_at = self.rate.ready_at(now, leaving.class, self.config.limits);
            if ready_at > now {
                self.reason = Reason::Rate;
                self.wait_stats.blocked_by = Some(self.reason);
                return Some(StopReason::Blocked(Some(ready_at)));
            }
        }
        let window_end = open.and_then(|kind| self.window_end(kind, now));
        window_end.map(|end| StopReason::Blocked(Some(end)))
    }

    fn leave_iopub(&mut self, entry: Entry, held: bool, now: f64, out: &mut Out) {
        if held {
            self.rate.leaves(now, entry.class, self.config.limits);
        }
        let [stream, update] = &mut self.last_left;
        match entry.kind {
            Kind::Stream => *stream = now,
            Kind::Update => *update = now,
            _ => {}
        }
        self.leave(Lane::Iopub, entry, now, out);
    }

    /// Collects replies. True: there is no room for the next one.
    fn collect_replies(&mut self, now: f64, out: &mut Out) -> bool {
        loop {
            self.prepare_reply();
            let next = self.replies.front().map(|slot| &slot.item);
            let Some(Item::Message(entry)) = next else {
                return false;
            };
            let (len, unacknowledged) = (wide(entry.frame.len()), self.sent.bytes(Lane::Replies));
            if unacknowledged > 0 && unacknowledged + len > self.config.high_water {
                self.sent.want_ping();
                return false;
            }
            if !out.has_room(len) {
                return true;
            }
            if let Some(slot) = self.replies.pop_front()
                && let Item::Message(entry) = slot.item
            {
                self.leave(Lane::Replies, entry, now, out);
            }
        }
    }

    /// Encodes the next reply for the client's subprotocol. Replies that it cannot carry are dropped.
    fn prepare_reply(&mut self) {
        while let Some(Item::Message(entry)) = self.replies.front().map(|slot| &slot.item)
            && entry.protocol != self.protocol
        {
            if let Ok(entry) = transcode(entry, self.protocol) {
                self.replies.change(0, |item| *item = Item::Message(entry));
                return;
            }
            self.refused += entry.messages;
            self.replies.pop_front();
        }
    }

    fn leave(&mut self, lane: Lane, entry: Entry, now: f64, out: &mut Out) {
        self.cursors.sent += entry.messages;
        if entry.written {
            self.cursors.repeats += entry.messages;
        }
        self.wait_stats.count_written(entry.messages, wide(entry.frame.len()));
        out.push(&entry.frame);
        // An acknowledgement decides whether a prompt or an announcement is resent
        let at_once = matches!(entry.kind, Kind::Prompt | Kind::Announcement);
        self.sent.push(lane, entry, now);
        if at_once {
            self.sent.want_ping();
        }
    }
}

#[cfg(test)]
mod merging_tests;
#[cfg(test)]
mod tests;

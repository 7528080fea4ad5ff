//! Messages that were written and are not acknowledged, in the order of writing.
//!
//! WebSocket messages are ordered, so the pong to a ping acknowledges all messages that were written before the ping. A
//! ping is due at once after a pause, or if the next message waits for an acknowledgement. Otherwise it is sent together with
//! a message, and alone only if no message comes: a ping costs the server as much as a message. Unknown and repeated pongs are
//! ignored. Cost: O(1) for each message and each ping, amortised.

use std::collections::VecDeque;

use super::entry::Entry;
use super::zone::weight;
use crate::reader::wide;

/// A queue of an outbox. Order is kept within each lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// IOPub and `input_request`.
    Iopub,
    /// All other channels.
    Replies,
}

/// The unacknowledged messages of one WebSocket.
pub struct Sent {
    entries: VecDeque<(Lane, Entry)>,
    /// The number of the first entry: how many were acknowledged before it since `take_all`.
    first: u64,
    /// Pings without a pong, each with the number of the first entry after it.
    pings: VecDeque<(u64, u64)>,
    next_ping: u64,
    /// Bytes written since the last ping.
    unpinged: u64,
    unpinged_since: f64,
    pinged_at: f64,
    /// Whether a message waits for an acknowledgement.
    wanted: bool,
    /// Unacknowledged bytes of each lane.
    iopub: u64,
    replies: u64,
    memory: u64,
}

impl Default for Sent {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            pings: VecDeque::new(),
            next_ping: 0,
            unpinged: 0,
            unpinged_since: 0.0,
            pinged_at: f64::NEG_INFINITY,
            wanted: false,
            iopub: 0,
            replies: 0,
            memory: 0,
        }
    }
}

impl Sent {
    /// Unacknowledged bytes of a lane.
    pub fn bytes(&self, lane: Lane) -> u64 {
        match lane {
            Lane::Iopub => self.iopub,
            Lane::Replies => self.replies,
        }
    }

    /// Bytes of memory of all entries.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// The number of entries.
    #[allow(clippy::len_without_is_empty)] // would not be used
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// All entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    /// Adds a message that was written.
    pub fn push(&mut self, lane: Lane, entry: Entry, now: f64) {
        let len = wide(entry.frame.len());
        if self.unpinged == 0 {
            self.unpinged_since = now;
        }
        self.unpinged += len;
        *self.lane(lane) += len;
        self.memory += weight(entry.frame.len());
        self.entries.push_back((lane, entry));
    }

    /// Makes a ping due at once, because a message waits for an acknowledgement.
    pub fn want_ping(&mut self) {
        self.wanted = self.unpinged > 0;
    }

    /// The number for a ping to send now; None if no ping is due.
    pub fn ping_due(&mut self, now: f64) -> Option<u64> {
        let rested = self.pinged_at + PAUSE_SECONDS <= now;
        let waited = now < self.unpinged_since || self.unpinged_since + RIDE_AFTER_SECONDS <= now;
        if self.unpinged == 0 || !(rested || waited || self.wanted || self.unpinged >= PING_AFTER_BYTES) {
            return None;
        }
        self.next_ping += 1;
        self.unpinged = 0;
        self.pinged_at = now;
        self.wanted = false;
        self.pings
            .push_back((self.next_ping, self.first + wide(self.entries.len())));
        Some(self.next_ping)
    }

    /// When a ping is due if nothing more is written; None if all messages have one.
    pub fn ping_at(&self) -> Option<f64> {
        match self.unpinged {
            0 => None,
            PING_AFTER_BYTES.. => Some(self.unpinged_since),
            _ if self.wanted => Some(self.unpinged_since),
            _ if self.pinged_at + PAUSE_SECONDS <= self.unpinged_since => Some(self.unpinged_since),
            _ => Some(self.unpinged_since + ALONE_AFTER_SECONDS),
        }
    }

    /// Handles the pong to the ping `number` and returns how many messages it acknowledges. None: an unknown or repeated pong.
    pub fn acknowledge(&mut self, number: u64) -> Option<u64> {
        let known = self.pings.front().is_some_and(|(first, _)| *first <= number)
            && self.pings.back().is_some_and(|(last, _)| number <= *last);
        let mut upto = None;
        while known && self.pings.front().is_some_and(|(ping, _)| *ping <= number) {
            upto = self.pings.pop_front();
        }
        let (_, upto) = upto?;
        let count = upto.saturating_sub(self.first);
        Some(self.forget(usize::try_from(count).unwrap_or(usize::MAX)))
    }

    /// Acknowledges all messages and returns how many they are.
    pub fn acknowledge_all(&mut self) -> u64 {
        self.pings.clear();
        self.unpinged = 0;
        self.forget(self.entries.len())
    }

    /// Removes all entries, the newest first, when the WebSocket has ended.
    pub fn take_all(&mut self) -> impl Iterator<Item = (Lane, Entry)> + use<> {
        let entries = std::mem::take(&mut self.entries);
        *self = Self {
            next_ping: self.next_ping,
            ..Self::default()
        };
        entries.into_iter().rev()
    }

    fn forget(&mut self, count: usize) -> u64 {
        let mut messages = 0;
        for _ in 0..count {
            let Some((lane, entry)) = self.entries.pop_front() else {
                break;
            };
            self.first += 1;
            *self.lane(lane) -= wide(entry.frame.len());
            self.memory -= weight(entry.frame.len());
            messages += entry.messages;
        }
        messages
    }

    fn lane(&mut self, lane: Lane) -> &mut u64 {
        match lane {
            Lane::Iopub => &mut self.iopub,
            Lane::Replies => &mut self.replies,
        }
    }
}

/// Bytes after which a ping is due. A busy page stops answering pings once about 128 KB are in transit.
const PING_AFTER_BYTES: u64 = 64 * 1024;

/// If the last ping was so many seconds ago, a message gets one at once. So up to six messages a second get one each.
const PAUSE_SECONDS: f64 = 0.15;

/// If the oldest message without a ping is so many seconds old, the next message is written with a ping. A lost connection then
/// resends two lines at 20 lines a second, five or six at 100.
const RIDE_AFTER_SECONDS: f64 = 0.045;

/// Age at which the ping is sent alone. More than 100 ms, so that ten messages a second need no timer.
const ALONE_AFTER_SECONDS: f64 = 0.13;

#[cfg(test)]
mod tests;

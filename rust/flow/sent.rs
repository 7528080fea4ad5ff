//! What was written and not acknowledged, in the order of writing.
//!
//! WebSocket messages are ordered and every client answers pings, so a pong proves that all that was written before its
//! ping has arrived. A ping is due at once where none left a moment ago, or where something waits for its pong; else after so
//! many bytes or so much time, so that what is repeated after a cut is little and a flood is not full of pings;
//! pongs that say nothing new say nothing at all.
//! Cost: O(1) a message and a ping, amortised.

use std::collections::VecDeque;

use super::entry::Entry;
use super::zone::weight;
use crate::reader::wide;

/// A stream of messages with an order of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// IOPub, and `input_request`, which stays behind the messages before it.
    Iopub,
    /// All other channels.
    Replies,
}

/// The unacknowledged messages of one WebSocket.
pub struct Sent {
    entries: VecDeque<(Lane, Entry)>,
    /// How many entries were ever acknowledged or given back: the number of the first of `entries`.
    first: u64,
    /// Each with the number of the first entry after it.
    pings: VecDeque<(u64, u64)>,
    next_ping: u64,
    unpinged: u64,
    unpinged_since: f64,
    pinged_at: f64,
    /// Something waits for an acknowledgement.
    wanted: bool,
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
    /// Bytes of a lane.
    pub fn bytes(&self, lane: Lane) -> u64 {
        match lane {
            Lane::Iopub => self.iopub,
            Lane::Replies => self.replies,
        }
    }

    /// Memory of all entries.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// How many entries there are.
    #[allow(clippy::len_without_is_empty)] // nobody asks
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// All of them.
    #[cfg(test)]
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    /// A message was written.
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

    /// Something cannot leave before more is acknowledged.
    pub fn want_ping(&mut self) {
        self.wanted = self.unpinged > 0;
    }

    /// The number to put into a ping, if one is due.
    pub fn ping_due(&mut self, now: f64) -> Option<u64> {
        let early = self.unpinged_since <= now && now < self.next_ping_at();
        if self.unpinged == 0 || (early && self.unpinged < PING_AFTER_BYTES && !self.wanted) {
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

    /// When the next ping will be due, if nothing more is written.
    pub fn ping_at(&self) -> Option<f64> {
        match self.unpinged {
            0 => None,
            PING_AFTER_BYTES.. => Some(self.unpinged_since),
            _ if self.wanted => Some(self.unpinged_since),
            _ => Some(self.next_ping_at()),
        }
    }

    /// When what waits for a ping has waited long enough. A clock that went back does not make it longer.
    fn next_ping_at(&self) -> f64 {
        let rested = self.pinged_at + PING_EVERY_SECONDS;
        if rested <= self.unpinged_since {
            self.unpinged_since
        } else {
            rested.min(self.unpinged_since + PING_EVERY_SECONDS)
        }
    }

    /// The pong of ping `number` came; says how many messages that acknowledges. None: it says nothing new.
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

    /// Everything written is acknowledged; says how many messages that are.
    pub fn acknowledge_all(&mut self) -> u64 {
        self.pings.clear();
        self.unpinged = 0;
        self.forget(self.entries.len())
    }

    /// Hands everything back, the newest first: the WebSocket is gone.
    pub fn take_all(&mut self) -> impl Iterator<Item = (Lane, Entry)> + use<> {
        let entries = std::mem::take(&mut self.entries);
        *self = Self {
            first: self.first + wide(entries.len()),
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

/// A busy page answers pings until about 128 KB wait for it: it is asked twice before that.
const PING_AFTER_BYTES: u64 = 64 * 1024;

/// The time between two pings of little output: at 100 lines a second a cut repeats five of them.
const PING_EVERY_SECONDS: f64 = 0.05;

#[cfg(test)]
mod tests;

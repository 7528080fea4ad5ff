//! Upstream's rate limits on the IOPub messages of one connection, with exactly upstream's numbers.
//!
//! Messages, and the bytes of `stream` messages, are counted over a sliding window. Above a limit messages are dropped
//! until the rate is below 0.8 of it. Dropped messages are not counted. `status`, `comm_open` and `execute_input` always
//! pass and are not counted; a status with the execution_state idle resets all counts. A message expires after the window
//! that was configured when it was counted.
//!
//! Cost: O(1) a message, amortised; messages that expire at the same time share an entry. If the clock runs backwards,
//! messages expire later. A window that is not a positive number limits nothing (upstream would divide by it).

use std::collections::VecDeque;

use crate::batch::Batch;

/// Limits per second. 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Messages.
    pub messages: f64,
    /// Bytes of `stream` messages.
    pub bytes: f64,
    /// Seconds over which both are counted.
    pub window: f64,
}

/// A limit that was exceeded, or the end of that. Each is reported once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateEvent {
    /// The message limit is exceeded from this message on.
    MessagesExceeded,
    /// The byte limit is exceeded from this message on.
    DataExceeded,
    /// Messages are forwarded again from this message on.
    Resumed,
}

/// Whether a message is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it to the client.
    Forward,
    /// Drop it.
    Drop,
}

/// Messages `start..stop` to forward. The event `Resumed` happened at `start`, an exceeded limit at `stop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first message.
    pub start: usize,
    /// The one after the last.
    pub stop: usize,
    /// Events in order. A run with events may have no messages.
    pub events: Vec<RateEvent>,
}

/// The counts of one connection.
#[derive(Debug, Default)]
pub struct RateWindow {
    pub(super) count: u64,
    pub(super) bytes: u64,
    pub(super) queue: VecDeque<Expiry>,
    messages_exceeded: bool,
    data_exceeded: bool,
}

/// Counts that expire at the same time.
#[derive(Debug)]
pub(super) struct Expiry {
    pub(super) at: f64,
    pub(super) count: u64,
    pub(super) bytes: u64,
}

impl RateWindow {
    /// Counts one message of `size` bytes, and decides whether it is forwarded. `idle`: it has the execution_state idle.
    pub fn check(
        &mut self,
        now: f64,
        msg_type: &str,
        idle: bool,
        size: u64,
        limits: Limits,
    ) -> (Verdict, Vec<RateEvent>) {
        if msg_type == "status" && idle {
            *self = Self::default();
        }
        // Written like this because it is false for NaN
        let limited = limits.window > 0.0;
        if !limited || is_exempt(msg_type) {
            return (Verdict::Forward, Vec::new());
        }
        self.take_back(now);
        let bytes = if msg_type == "stream" { size } else { 0 };
        self.add(now + limits.window, bytes);
        let events = self.compare(limits);
        if self.messages_exceeded || self.data_exceeded {
            self.undo(bytes);
            return (Verdict::Drop, events);
        }
        (Verdict::Forward, events)
    }

    /// `check` for each message of a batch. Returns the runs of messages to forward.
    pub fn admit(&mut self, batch: &Batch, now: f64, limits: Limits) -> Vec<Run> {
        let mut runs = Runs::default();
        for (index, message) in batch.messages().iter().enumerate() {
            let size = batch
                .parts(message)
                .iter()
                .map(|part| crate::reader::wide(part.len()))
                .sum();
            let (verdict, events) = self.check(now, message.msg_type(), message.is_idle(), size, limits);
            runs.add(index, verdict, events);
        }
        runs.end(batch.messages().len());
        runs.done
    }

    pub(super) fn take_back(&mut self, now: f64) {
        while let Some(expiry) = self.queue.front()
            && now >= expiry.at
        {
            self.count = self.count.saturating_sub(expiry.count);
            self.bytes = self.bytes.saturating_sub(expiry.bytes);
            self.queue.pop_front();
        }
    }

    pub(super) fn add(&mut self, at: f64, bytes: u64) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        match self.queue.back_mut() {
            // Only exactly equal times share an entry: upstream compares each with the clock
            Some(last) if last.at.to_bits() == at.to_bits() => {
                last.count += 1;
                last.bytes = last.bytes.saturating_add(bytes);
            }
            _ => self.queue.push_back(Expiry { at, count: 1, bytes }),
        }
    }

    /// Removes the newest message, of `bytes` bytes, from the counts.
    fn undo(&mut self, bytes: u64) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(last) = self.queue.back_mut() {
            last.count = last.count.saturating_sub(1);
            last.bytes = last.bytes.saturating_sub(bytes);
            if last.count == 0 {
                self.queue.pop_back();
            }
        }
    }

    /// Sets the flags and returns the events, messages before bytes as upstream does.
    fn compare(&mut self, limits: Limits) -> Vec<RateEvent> {
        let mut events = Vec::new();
        let rate = float(self.count) / limits.window;
        if let Some(exceeded) = transition(self.messages_exceeded, rate, limits.messages) {
            self.messages_exceeded = exceeded;
            match (exceeded, self.data_exceeded) {
                (true, _) => events.push(RateEvent::MessagesExceeded),
                (false, false) => events.push(RateEvent::Resumed),
                (false, true) => {}
            }
        }
        let rate = float(self.bytes) / limits.window;
        if let Some(exceeded) = transition(self.data_exceeded, rate, limits.bytes) {
            self.data_exceeded = exceeded;
            match (exceeded, self.messages_exceeded) {
                (true, _) => events.push(RateEvent::DataExceeded),
                (false, false) => events.push(RateEvent::Resumed),
                (false, true) => {}
            }
        }
        events
    }
}

/// Whether upstream does not count messages of this type.
pub(super) fn is_exempt(msg_type: &str) -> bool {
    matches!(msg_type, "status" | "comm_open" | "execute_input")
}

/// The new value of an exceeded flag; None if it does not change.
fn transition(exceeded: bool, rate: f64, limit: f64) -> Option<bool> {
    if limit > 0.0 && rate > limit {
        (!exceeded).then_some(true)
    } else {
        (exceeded && rate < HEADROOM * limit).then_some(false)
    }
}

/// Converts as Python does: exact up to 2^53, rounded above.
#[allow(clippy::as_conversions, clippy::cast_precision_loss)] // there is no other way to convert
pub(super) fn float(n: u64) -> f64 {
    n as f64
}

/// Groups messages with their verdicts into runs.
#[derive(Default)]
struct Runs {
    done: Vec<Run>,
    open: Option<Run>,
}

impl Runs {
    fn add(&mut self, index: usize, verdict: Verdict, events: Vec<RateEvent>) {
        let resumed = events.contains(&RateEvent::Resumed);
        if resumed {
            self.end(index);
        }
        match verdict {
            Verdict::Forward if self.open.is_none() => {
                self.open = Some(Run {
                    start: index,
                    stop: index,
                    events,
                });
            }
            Verdict::Forward => {}
            Verdict::Drop => {
                if !events.is_empty() {
                    let open = self.open.get_or_insert(Run {
                        start: index,
                        stop: index,
                        events: Vec::new(),
                    });
                    open.events.extend(events);
                }
                self.end(index);
            }
        }
    }

    fn end(&mut self, stop: usize) {
        if let Some(run) = self.open.take() {
            self.done.push(Run { stop, ..run });
        }
    }
}

/// Forwarding resumes below this share of a limit, as upstream does, so that it does not stop again at once.
const HEADROOM: f64 = 0.8;

#[cfg(test)]
mod tests;

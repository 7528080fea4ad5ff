//! The queue of messages for the client of one session. A message stays in it until the client has acknowledged it.
//!
//! Cursors: acknowledged <= sent <= appended. While a client is connected, `leave` decides what is sent. When the client
//! disconnects, unacknowledged messages are queued again, before all others. The outbox has two lanes: IOPub messages are
//! held, merged, cut and spilled; replies overtake them. An `input_request` goes to the IOPub lane, so that it stays behind
//! the output before it.
//!
//! Must not read a clock (time is an argument and may jump), open a file (Python writes and reads the blocks) or contain
//! texts for users (Python writes the notice of a gap). Cost: O(1) for each message, amortised, besides that of `merge`.

use std::sync::Weak;

use bytes::Bytes;

use super::config::Config;
use super::entry::{Count, Item, Kind, Parent, Reason, Slot};
use super::lane::{IopubLane, is_withdrawn};
use super::process::{Ended, Execution};
use super::rate_window::RateWindow;
use super::sent::{Lane, Sent};
use super::stats::{Cursors, Stats};
use super::wait_stats::WaitStats;
use super::zone::{Zone, weight};
use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::reader::wide;

/// The outbox of one session.
pub struct Outbox {
    pub(super) protocol: Protocol,
    pub(super) attached: bool,
    pub(super) config: Config,
    pub(super) replies: Zone,
    pub(super) iopub: IopubLane,
    pub(super) sent: Sent,
    pub(super) rate: RateWindow,
    /// When the last `stream` and the last `update_display_data` were sent.
    pub(super) last_left: [f64; 2],
    /// The reason for which `cut` would drop text now.
    pub(super) reason: Reason,
    pub(super) cursors: Cursors,
    pub(super) wait_stats: WaitStats,
    /// The parent of the last message that can be dropped, for sharing with the next one.
    pub(super) parent: Weak<Parent>,
    /// Replies that the client's subprotocol cannot carry.
    pub(super) refused: u64,
    /// The rate limits do not apply to slots up to this number.
    pub(super) unlimited_upto: u64,
    /// The process that was replaced last, whose late messages are dropped.
    pub(super) ended: Option<Ended>,
    /// The current or last execution of the kernel.
    pub(super) execution: Option<Execution>,
    /// The number of the last announcement.
    announced: u64,
}

impl Outbox {
    /// An outbox with a connected client.
    pub fn new(protocol: Protocol, config: Config) -> Self {
        Self {
            protocol,
            attached: true,
            config,
            replies: Zone::default(),
            iopub: IopubLane::default(),
            sent: Sent::default(),
            rate: RateWindow::default(),
            last_left: [f64::NEG_INFINITY; 2],
            reason: Reason::SlowClient,
            cursors: Cursors::default(),
            wait_stats: WaitStats::default(),
            parent: Weak::new(),
            refused: 0,
            unlimited_upto: 0,
            ended: None,
            execution: None,
            announced: 0,
        }
    }

    /// The subprotocol of the client, or of the last one.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Replaces the configuration.
    pub fn configure(&mut self, config: Config) {
        self.config = config;
    }

    /// Drops text above the backlog limit. Called when nothing more can be sent, so that text is sent rather than dropped.
    pub fn cut(&mut self) {
        self.iopub.cut(self.config.backlog_limit, self.reason);
    }

    /// Replaces the gap `id` by its notice, encoded as `payload`. False: that gap is not next.
    pub fn fill_gap(&mut self, id: u64, opcode: Opcode, payload: &[u8]) -> bool {
        let filled = self.iopub.fill_gap(id, self.own(opcode, payload));
        self.cursors.appended += u64::from(filled);
        filled
    }

    /// Appends an announcement of the server. The rate limits do not apply to messages queued before it.
    pub fn announce(&mut self, opcode: Opcode, payload: &[u8]) {
        self.announced += 1;
        self.cursors.appended += 1;
        let mut entry = self.own(opcode, payload);
        (entry.kind, entry.text) = (Kind::Announcement, self.announced);
        self.push(Lane::Iopub, entry);
        self.unlimited_upto = self.iopub.last_seq();
    }

    /// Withdraws all announcements so far, because the client knows already: they are not sent or resent. False: there was none
    /// since the last call.
    pub fn withdraw_announcements(&mut self) -> bool {
        let any = self.iopub.withdrawn < self.announced;
        self.iopub.withdrawn = self.announced;
        any
    }

    /// Makes a block for the disk; see `IopubLane::spill`.
    pub fn spill(&mut self, max_bytes: usize) -> Option<(u64, Vec<Bytes>)> {
        // Text on the disk cannot be dropped later
        self.cut();
        self.iopub.spill(max_bytes)
    }

    /// Whether a block is still in memory, so that it must be written.
    pub fn on_its_way(&self, id: u64) -> bool {
        self.iopub.on_its_way(id)
    }

    /// Frees the memory of a block that was written; see `IopubLane::written`.
    pub fn written(&mut self, id: u64) -> bool {
        self.iopub.written(id)
    }

    /// Moves a block that could not be written, and all blocks after it, back to memory.
    pub fn unspill(&mut self, id: u64) {
        self.iopub.unspill(id);
    }

    /// Takes the bytes of the next block; see `IopubLane::restore`.
    pub fn restore(&mut self, id: u64, bytes: &Bytes) -> bool {
        self.iopub.restore(id, bytes)
    }

    /// Drops a block that cannot be read; see `IopubLane::lost`.
    pub fn lost(&mut self, id: u64) -> bool {
        self.iopub.lost(id)
    }

    /// Drops one message of text; see `IopubLane::drop_text`.
    pub fn drop_text(&mut self) -> bool {
        self.iopub.drop_text(self.config.memory_limit / 2)
    }

    /// Drops the oldest display; see `IopubLane::drop_oldest_display`.
    pub fn drop_oldest_display(&mut self) -> bool {
        self.iopub.drop_oldest_display()
    }

    /// The number for a ping to send now; None if no ping is due.
    pub fn ping_due(&mut self, now: f64) -> Option<u64> {
        self.sent.ping_due(now)
    }

    /// When the next ping is due.
    pub fn ping_at(&self) -> Option<f64> {
        self.sent.ping_at()
    }

    /// Handles the pong to the ping `number`. False: it acknowledges nothing new.
    pub fn acknowledge(&mut self, number: u64) -> bool {
        let acknowledged = self.sent.acknowledge(number);
        self.cursors.acknowledged += acknowledged.unwrap_or(0);
        acknowledged.is_some()
    }

    /// Acknowledges all sent messages, for a client that answers no pings.
    pub fn acknowledge_all(&mut self) {
        self.cursors.acknowledged += self.sent.acknowledge_all();
    }

    /// Handles the end of the WebSocket: queues unacknowledged messages again, except announcements. `heard`: the client closed
    /// it properly, so it has received the announcements. True: one may not have arrived, and the caller decides whether to
    /// repeat it.
    pub fn detach(&mut self, heard: bool) -> bool {
        let mut unsure = false;
        self.attached = false;
        self.reason = Reason::Detached;
        self.wait_stats.detach();
        for (lane, mut entry) in self.sent.take_all() {
            if entry.kind == Kind::Announcement {
                unsure |= !heard && !is_withdrawn(&entry, self.iopub.withdrawn);
                self.cursors.acknowledged += entry.messages;
                continue;
            }
            self.cursors.sent -= entry.messages;
            entry.written = true;
            match lane {
                Lane::Iopub => self.iopub.put_back(entry),
                Lane::Replies => self.replies.push_front(Slot {
                    seq: 0,
                    item: Item::Message(entry),
                }),
            }
        }
        self.cut();
        unsure
    }

    /// Attaches a new WebSocket of `protocol`. Detaches an old one first, and returns the result of `detach`.
    pub fn attach(&mut self, protocol: Protocol) -> bool {
        let unsure = self.detach(false);
        if protocol != self.protocol {
            self.iopub.close();
        }
        self.protocol = protocol;
        self.attached = true;
        self.reason = Reason::SlowClient;
        self.rate = RateWindow::default();
        self.last_left = [f64::NEG_INFINITY; 2];
        unsure
    }

    /// Frees all messages. Queued ones count as dropped for `reason`.
    pub fn clear(&mut self, reason: Reason) {
        self.iopub.close();
        let mut missing = self.replies.missing();
        self.iopub.zones().iter().for_each(|zone| missing.add(zone.missing()));
        missing.add(self.iopub.clear());
        self.iopub.count_dropped(reason, missing);
        drop(self.sent.take_all());
        self.replies.clear();
        self.ended = None;
        self.execution = None;
    }

    /// Frees all messages after a panic, when the sums may be wrong. The number of dropped messages is derived from the
    /// cursors.
    pub(super) fn discard_all(&mut self) {
        drop(self.sent.take_all());
        self.iopub.clear();
        self.replies.clear();
        self.ended = None;
        self.execution = None;
        self.wait_stats.detach();
        let left_out = self.iopub.left_out().into_iter().map(|count| count.messages);
        let gone = left_out.chain([
            self.cursors.sent,
            self.refused,
            self.iopub.refused(),
            self.iopub.server_dropped,
        ]);
        let gone = gone.fold(0, u64::saturating_add);
        let messages = self.cursors.appended.saturating_sub(gone);
        self.iopub.count_dropped(Reason::Closed, Count { messages, bytes: 0 });
    }

    /// Bytes of memory of queued and unacknowledged messages.
    pub fn memory(&self) -> u64 {
        self.iopub.sums().bytes + self.iopub.parents() + self.replies.sums().bytes + self.sent.memory()
    }

    /// The memory of slots and parents. Outboxes share encoded bytes, so `source::live_bytes` counts those once.
    pub fn upkeep(&self) -> u64 {
        let zones = self.iopub.zones().into_iter().chain([&self.replies]);
        let slots = zones.map(Zone::len).sum::<usize>() + self.sent.len();
        self.iopub.parents() + weight(0) * wide(slots)
    }

    /// Bytes that were sent and are not acknowledged, in both lanes.
    pub fn unacknowledged(&self) -> u64 {
        self.sent.bytes(Lane::Iopub) + self.sent.bytes(Lane::Replies)
    }

    /// The current numbers.
    pub fn stats(&self) -> Stats {
        let mut waiting = self.iopub.sums();
        waiting.add(self.replies.sums());
        let mut cursors = self.cursors;
        cursors.appended -= self.iopub.server_dropped;
        Stats {
            cursors,
            wait_stats: self.wait_stats,
            waiting: waiting.messages,
            replay: waiting.written,
            text: waiting.text,
            memory: self.memory(),
            disk: self.iopub.disk.size(),
            unacknowledged: self.unacknowledged(),
            merged: self.iopub.merged(),
            refused: self.iopub.refused() + self.refused,
            left_out: self.iopub.left_out(),
        }
    }
}

#[cfg(test)]
mod announcement_tests;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod tests;

//! One outbox per session: what its client gets, in order, from the moment it comes from the kernel until the client has
//! acknowledged it.
//!
//! Cursors: acknowledged <= sent <= appended. While a client is connected, `leave` decides what may leave; without one
//! nothing does, and what was sent and not acknowledged waits again, ahead of the rest. Two lanes: IOPub is held, merged,
//! cut and spilled; replies pass it, except `input_request`, which stays behind what came before it.
//!
//! No clock (time is an argument and may jump), no file (blocks are handed out and taken back), no words (a gap is told
//! to somebody who writes the notice). Cost: O(1) a message for coming and going, amortised, and what `merge` says.

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

/// See the module.
pub struct Outbox {
    pub(super) protocol: Protocol,
    pub(super) attached: bool,
    pub(super) config: Config,
    pub(super) replies: Zone,
    pub(super) iopub: IopubLane,
    pub(super) sent: Sent,
    pub(super) rate: RateWindow,
    /// When the last `stream` and the last `update_display_data` left.
    pub(super) last_left: [f64; 2],
    /// Why text would give way now.
    pub(super) reason: Reason,
    pub(super) cursors: Cursors,
    pub(super) wait_stats: WaitStats,
    /// Of the last message that can be left out, as long as that is here.
    pub(super) parent: Weak<Parent>,
    /// Replies that were refused by the client's subprotocol.
    pub(super) refused: u64,
    /// The limits do not hold what stands at this place and before.
    pub(super) unlimited_upto: u64,
    /// The process that was replaced last.
    pub(super) ended: Option<Ended>,
    /// What the kernel works at, or has worked at last.
    pub(super) execution: Option<Execution>,
    announced: u64,
}

impl Outbox {
    /// For a connected client of `protocol`.
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

    /// The subprotocol for which messages are to be encoded.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the config.
    pub fn configure(&mut self, config: Config) {
        self.config = config;
    }

    /// Leaves out text that is too much: when nothing can leave before more comes.
    pub fn cut(&mut self) {
        self.iopub.cut(self.config.backlog_limit, self.reason);
    }

    /// Puts the notice of a gap in its place. False: another gap, or none, is next.
    pub fn fill_gap(&mut self, id: u64, opcode: Opcode, payload: &[u8]) -> bool {
        let filled = self.iopub.fill_gap(id, self.own(opcode, payload));
        self.cursors.appended += u64::from(filled);
        filled
    }

    /// Appends an announcement of the server's own. What waits before it is not held by the limits.
    pub fn announce(&mut self, opcode: Opcode, payload: &[u8]) {
        self.announced += 1;
        self.cursors.appended += 1;
        let mut entry = self.own(opcode, payload);
        (entry.kind, entry.text) = (Kind::Announcement, self.announced);
        self.push(Lane::Iopub, entry);
        self.unlimited_upto = self.iopub.last_seq();
    }

    /// No announcement that is still to arrive is told: the client knows. False: there was none.
    pub fn withdraw_announcements(&mut self) -> bool {
        let any = self.iopub.withdrawn < self.announced;
        self.iopub.withdrawn = self.announced;
        any
    }

    /// Makes a block for the disk; see `IopubLane::spill`.
    pub fn spill(&mut self, max_bytes: usize) -> Option<(u64, Vec<Bytes>)> {
        // What is on the disk cannot be cut
        self.cut();
        self.iopub.spill(max_bytes)
    }

    /// Whether a block is still to be written.
    pub fn on_its_way(&self, id: u64) -> bool {
        self.iopub.on_its_way(id)
    }

    /// A block is on the disk; see `IopubLane::written`.
    pub fn written(&mut self, id: u64) -> bool {
        self.iopub.written(id)
    }

    /// The disk did not take a block, nor those after it.
    pub fn unspill(&mut self, id: u64) {
        self.iopub.unspill(id);
    }

    /// A block was read.
    pub fn restore(&mut self, id: u64, bytes: &Bytes) -> bool {
        self.iopub.restore(id, bytes)
    }

    /// A block cannot be read.
    pub fn lost(&mut self, id: u64) -> bool {
        self.iopub.lost(id)
    }

    /// Leaves out the oldest text that is not among what waited longest.
    pub fn drop_text(&mut self) -> bool {
        self.iopub.drop_text(self.config.memory_limit / 2)
    }

    /// Leaves out the oldest display.
    pub fn drop_oldest_display(&mut self) -> bool {
        self.iopub.drop_oldest_display()
    }

    /// The number for a ping, if one is due.
    pub fn ping_due(&mut self, now: f64) -> Option<u64> {
        self.sent.ping_due(now)
    }

    /// When the next ping is due.
    pub fn ping_at(&self) -> Option<f64> {
        self.sent.ping_at()
    }

    /// A pong came. False: it says nothing new.
    pub fn acknowledge(&mut self, number: u64) -> bool {
        let acknowledged = self.sent.acknowledge(number);
        self.cursors.acknowledged += acknowledged.unwrap_or(0);
        acknowledged.is_some()
    }

    /// For a client that answers no pings: what was flushed has arrived.
    pub fn acknowledge_all(&mut self) {
        self.cursors.acknowledged += self.sent.acknowledge_all();
    }

    /// The WebSocket is gone: what was not acknowledged waits again. `heard`: the client has said good-bye after it was
    /// sent all this, so that it has heard every announcement among it.
    pub fn detach(&mut self, heard: bool) {
        self.attached = false;
        self.reason = Reason::Detached;
        self.wait_stats.detach();
        for (lane, mut entry) in self.sent.take_all() {
            let announcement = entry.kind == Kind::Announcement;
            if announcement && (heard || is_withdrawn(&entry, self.iopub.withdrawn)) {
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
    }

    /// A new WebSocket, of `protocol`. One that is still there is detached.
    pub fn attach(&mut self, protocol: Protocol) {
        self.detach(false);
        if protocol != self.protocol {
            self.iopub.close();
        }
        self.protocol = protocol;
        self.attached = true;
        self.reason = Reason::SlowClient;
        self.rate = RateWindow::default();
        self.last_left = [f64::NEG_INFINITY; 2];
    }

    /// Lets go of everything; what waited is left out for this reason.
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

    /// Lets go of everything unseen: work on it has panicked, and its sums need not be true. What was not sent counts as left
    /// out.
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

    /// Memory of what waits and of what is not acknowledged.
    pub fn memory(&self) -> u64 {
        self.iopub.sums().bytes + self.iopub.parents() + self.replies.sums().bytes + self.sent.memory()
    }

    /// Of it what is not bytes of messages, which others may share: see `source::live_bytes`.
    pub fn upkeep(&self) -> u64 {
        let zones = self.iopub.zones().into_iter().chain([&self.replies]);
        let slots = zones.map(Zone::len).sum::<usize>() + self.sent.len();
        weight(0) * wide(slots)
    }

    /// Bytes that were sent and not acknowledged.
    pub fn unacknowledged(&self) -> u64 {
        self.sent.bytes(Lane::Iopub) + self.sent.bytes(Lane::Replies)
    }

    /// See `Stats`.
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

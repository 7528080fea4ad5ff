//! The numbers that an outbox reports: cursors, queued and dropped messages, memory and disk.

use super::entry::{Count, Reason};
use super::wait_stats::WaitStats;

/// Numbers of messages. A merged message counts as all the messages that the kernel sent for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursors {
    /// Messages that were appended.
    pub appended: u64,
    /// Messages that were written to this WebSocket, or acknowledged on an earlier one.
    pub sent: u64,
    /// Messages that the client has acknowledged.
    pub acknowledged: u64,
    /// Messages that were resent on a new WebSocket.
    pub repeats: u64,
}

/// The numbers of one outbox. `appended == sent + waiting + left_out + refused`, counted as in `Cursors`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// Appended, sent, acknowledged and resent messages.
    pub cursors: Cursors,
    /// How the outbox waited, and what it wrote.
    pub wait_stats: WaitStats,
    /// Queued messages.
    pub waiting: u64,
    /// Queued messages that were already written to an earlier WebSocket.
    pub replay: u64,
    /// Bytes of queued `stream` text that was never written.
    pub text: u64,
    /// Bytes of memory of queued and unacknowledged messages.
    pub memory: u64,
    /// Bytes of the blocks on the disk.
    pub disk: u64,
    /// Bytes that were sent and are not acknowledged.
    pub unacknowledged: u64,
    /// Messages that were merged into another one or replaced by it.
    pub merged: u64,
    /// Messages that the client's subprotocol cannot carry.
    pub refused: u64,
    /// Dropped messages for each reason, in the order of `Reason::ALL`.
    pub left_out: [Count; Reason::ALL.len()],
}

//! STATS

use super::entry::{Count, Reason};
use super::wait_stats::WaitStats;

/// Messages, as the kernel sent them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursors {
    /// That came in.
    pub appended: u64,
    /// That were written to this WebSocket, or acknowledged on an earlier one.
    pub sent: u64,
    /// That have arrived.
    pub acknowledged: u64,
    /// That were written a second time.
    pub repeats: u64,
}

/// What an outbox amounts to. `appended == sent + waiting + left out + refused`, all in messages of the kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// The cursors.
    pub cursors: Cursors,
    /// What it waits for, and what was written.
    pub wait_stats: WaitStats,
    /// Messages that wait.
    pub waiting: u64,
    /// Those of them that were written to an earlier WebSocket.
    pub replay: u64,
    /// Bytes of text that waits and was never written.
    pub text: u64,
    /// Memory: of what waits and of what is not acknowledged.
    pub memory: u64,
    /// Bytes of the blocks that were spilled.
    pub disk: u64,
    /// Bytes that were sent and not acknowledged.
    pub unacknowledged: u64,
    /// Messages that became one with another or were replaced by it.
    pub merged: u64,
    /// Messages that the client's subprotocol has no form for.
    pub refused: u64,
    /// In the order of `Reason::ALL`.
    pub left_out: [Count; Reason::ALL.len()],
}

//! What an outbox is told, and what it tells of itself: numbers alone.

use super::entry::{Count, Reason};
use super::rate_window::Limits;
use super::watch::Watch;

/// What may change at any time. A 0 sets no limit, except where it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Whether IOPub waits for `limits`.
    pub hold: bool,
    /// See `pacing`.
    pub limits: Limits,
    /// Seconds that text waits for more; what is not positive merges nothing.
    pub merge_window: f64,
    /// Bytes of `stream` text that may wait.
    pub backlog_limit: u64,
    /// Bytes of `stream` text that may still wait of a cell that was interrupted.
    pub interrupt_limit: u64,
    /// Bytes above which something must be spilled or give way.
    pub memory_limit: u64,
    /// Bytes of each lane that may be unacknowledged; one message may always.
    pub high_water: u64,
}

impl Terms {
    /// Everything leaves at once and stays as it is, as fast as the client acknowledges it.
    pub const UNLIMITED: Self = Self {
        hold: false,
        limits: Limits {
            messages: 0.0,
            bytes: 0.0,
            window: 0.0,
        },
        merge_window: 0.0,
        backlog_limit: 0,
        interrupt_limit: 0,
        memory_limit: 0,
        high_water: 512 * 1024,
    };
}

/// Messages, as the kernel sent them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
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
    pub counts: Counts,
    /// What it waits for, and what was written.
    pub watch: Watch,
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

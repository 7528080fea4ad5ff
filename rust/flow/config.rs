//! What an outbox is told, and what it tells of itself: numbers alone.

use super::rate_window::Limits;

/// What may change at any time. A 0 sets no limit, except where it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
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

impl Config {
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

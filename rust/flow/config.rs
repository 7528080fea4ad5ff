//! The configuration of an outbox: limits and times. Each comes from a trait of the connection class.

use super::rate_window::Limits;

/// The limits of an outbox. They can change at any time. 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Whether IOPub messages wait until they fit into `limits`.
    pub hold: bool,
    /// Messages and bytes per second; see `pacing`.
    pub limits: Limits,
    /// Seconds that text waits to be merged with more text. 0 or less: nothing is merged.
    pub merge_window: f64,
    /// Bytes of queued `stream` text that was never sent.
    pub backlog_limit: u64,
    /// Bytes of queued `stream` text of an interrupted cell.
    pub interrupt_limit: u64,
    /// Bytes of `limited_memory`; above it the session spills or drops messages. `drop_text` drops text while text takes
    /// more than half of this limit, but keeps the oldest text, up to a quarter of the limit.
    pub memory_limit: u64,
    /// Bytes of each lane that may be unacknowledged. One message is always allowed. 0 is a limit: one message at a time.
    pub high_water: u64,
}

impl Config {
    /// Nothing is held, merged or dropped; only the unacknowledged bytes are limited.
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

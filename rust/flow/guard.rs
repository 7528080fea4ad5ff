//! Discards the contents of an outbox when work on it panics.
//!
//! A panic can leave an outbox half changed, with wrong sums. So its contents are dropped, and from then on calls that
//! append or take messages fail. Calls that read its numbers or clear it still work. Must not hide a panic: the caller has
//! to end the session. Cost: none unless something panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::outbox::Outbox;

/// An outbox and whether work on it has panicked.
pub struct Guarded {
    outbox: Outbox,
    failed: bool,
}

/// The error of work that panicked, and of later work on the same outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

impl Guarded {
    /// Guards an outbox.
    pub fn new(outbox: Outbox) -> Self {
        Self { outbox, failed: false }
    }

    /// Runs `work` on the outbox. Fails without running it if earlier work has panicked.
    pub fn with<T>(&mut self, work: impl FnOnce(&mut Outbox) -> T) -> Result<T, Failed> {
        if self.failed { Err(Failed) } else { self.always(work) }
    }

    /// Runs `work` even if earlier work has panicked; the outbox is empty then.
    pub fn always<T>(&mut self, work: impl FnOnce(&mut Outbox) -> T) -> Result<T, Failed> {
        // Unwind safe: `fail` discards what a panic leaves half changed
        catch_unwind(AssertUnwindSafe(|| work(&mut self.outbox))).map_err(|_| self.fail())
    }

    /// Discards the contents; later work fails.
    pub fn fail(&mut self) -> Failed {
        self.failed = true;
        self.outbox.discard_all();
        Failed
    }
}

#[cfg(test)]
mod tests;

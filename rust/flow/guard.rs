//! An outbox that is given up when its work panics.
//!
//! A panic leaves an outbox half changed, and what comes later would believe sums that are not true. So what it held is
//! dropped, and whoever adds to it or takes from it is told so, then and from then on. Looking at it and clearing it go on.
//! Must not hide a panic: the caller has to end the session. Cost: none where nothing panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::outbox::Outbox;

/// See the module.
pub struct Guarded {
    outbox: Outbox,
    failed: bool,
}

/// Work on the outbox panicked, now or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

impl Guarded {
    /// Of an outbox that has not failed.
    pub fn new(outbox: Outbox) -> Self {
        Self { outbox, failed: false }
    }

    /// Works on an outbox that has not failed.
    pub fn with<T>(&mut self, work: impl FnOnce(&mut Outbox) -> T) -> Result<T, Failed> {
        if self.failed { Err(Failed) } else { self.always(work) }
    }

    /// Works on it though it may have failed: it is empty then.
    pub fn always<T>(&mut self, work: impl FnOnce(&mut Outbox) -> T) -> Result<T, Failed> {
        // Unwind safe: nobody sees what a panic has left behind
        catch_unwind(AssertUnwindSafe(|| work(&mut self.outbox))).map_err(|_| self.fail())
    }

    /// Gives up what it holds.
    pub fn fail(&mut self) -> Failed {
        self.failed = true;
        self.outbox.discard_all();
        Failed
    }
}

#[cfg(test)]
mod tests;

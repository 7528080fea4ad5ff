//! The window of digests that were received: a message whose digest is in it is a replay.
//!
//! It holds exactly the last `size` digests, oldest out first, each O(1). Memory grows with what was received, not with
//! `size`. A digest enters only after its message was verified: else forgeries could flush the window, or make the real
//! message look like a replay. Upstream removes a random tenth at once instead, and remembers forgeries.
//!
//! A digest is kept as its first 128 bits. Only holders of the key can make a digest enter, and the output of HMAC is
//! indistinguishable from random to everybody else, so that two of 65,536 kept prefixes are equal by chance has
//! a probability of about 2^-97; a holder of the key needs no replay.

use std::collections::{HashSet, VecDeque};

/// The last digests of one socket.
#[derive(Debug)]
pub struct ReplayWindow {
    size: usize,
    known: HashSet<u128>,
    by_age: VecDeque<u128>,
}

impl ReplayWindow {
    /// A window that holds `size` digests; one of size 0 remembers nothing.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            known: HashSet::new(),
            by_age: VecDeque::new(),
        }
    }

    /// Remembers the digest of a verified message; false if it was there already.
    #[must_use]
    pub fn enter(&mut self, digest: u128) -> bool {
        if self.size == 0 {
            return true;
        }
        if !self.known.insert(digest) {
            return false;
        }
        self.by_age.push_back(digest);
        if self.by_age.len() > self.size
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_exact_and_the_oldest_leaves_first() {
        let mut window = ReplayWindow::new(3);
        for digest in 0..3 {
            assert!(window.enter(digest));
        }
        for digest in 0..3 {
            assert!(!window.enter(digest), "{digest} is one of the last three");
        }
        assert!(window.enter(3));
        assert!(!window.enter(1));
        assert!(window.enter(0), "0 was the oldest of four");
        assert!(window.enter(1), "then 1 was");
    }

    #[test]
    fn a_replay_does_not_make_a_digest_younger() {
        let mut window = ReplayWindow::new(2);
        assert!(window.enter(1) && window.enter(2));
        assert!(!window.enter(1));
        assert!(window.enter(3));
        assert!(window.enter(1), "1 stayed the oldest");
    }

    #[test]
    fn a_window_of_size_zero_remembers_nothing() {
        let mut window = ReplayWindow::new(0);
        assert!(window.enter(1) && window.enter(1));
        assert!(window.known.is_empty() && window.by_age.is_empty());
    }

    #[test]
    fn memory_follows_what_was_received() {
        let mut window = ReplayWindow::new(usize::MAX);
        assert!(window.enter(1));
        assert!(window.known.capacity() < 100 && window.by_age.capacity() < 100);
        let mut window = ReplayWindow::new(10);
        for digest in 0..10_000 {
            assert!(window.enter(digest));
        }
        assert_eq!((window.known.len(), window.by_age.len()), (10, 10));
    }
}

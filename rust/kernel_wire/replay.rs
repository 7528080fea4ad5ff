//! Detects replays: a message whose digest is among the last ones received was received before.
//!
//! The window holds exactly the last `size` digests and evicts the oldest. Must only be given digests of verified messages:
//! otherwise forged messages could evict real digests, or make a real message look like a replay. Upstream also remembers
//! forgeries, and evicts a random tenth of its digests at once. Cost: O(1) for each message. Memory grows as digests arrive,
//! up to `size` of them.
//!
//! A digest is stored as its first 128 bits. Without the key these are random, so the probability that any two of 65,536
//! stored digests are equal is about 2^-97. An attacker who has the key needs no replay.

use std::collections::{HashSet, VecDeque};

/// The last digests of one socket.
#[derive(Debug)]
pub struct ReplayWindow {
    size: usize,
    known: HashSet<u128>,
    by_age: VecDeque<u128>,
}

impl ReplayWindow {
    /// A window for `size` digests. With 0 it stores none.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            known: HashSet::new(),
            by_age: VecDeque::new(),
        }
    }

    /// Adds the digest of a verified message. False: the window has it already.
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
    fn memory_grows_with_the_digests_received() {
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

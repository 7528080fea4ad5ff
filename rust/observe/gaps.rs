//! Runs of numbers that are missing, lowest first, until they arrive after all or have been missing for too long.
//!
//! A run is *passed* when a higher number was published: IOPub is in order, so that nothing of the run is under way there
//! any more. Memory is bounded: of very many runs the oldest is given up. Cost: O(1) a run, a binary search a late number.

use std::collections::VecDeque;

/// The numbers `first..=last`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gap {
    /// The lowest that is missing.
    pub first: u64,
    /// The highest.
    pub last: u64,
    /// When a higher number was first published.
    passed: Option<f64>,
}

impl Gap {
    /// How many numbers it has.
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Gaps {
    runs: VecDeque<Gap>,
}

impl Gaps {
    /// The numbers `first..=last` were passed over; they are higher than all that were before.
    pub fn open(&mut self, first: u64, last: u64) {
        if self.runs.len() >= MAX_RUNS {
            self.runs.pop_front();
        }
        let passed = None;
        self.runs.push_back(Gap { first, last, passed });
    }

    /// A number that was passed over has arrived; false if it was not missing.
    pub fn fill(&mut self, number: u64) -> bool {
        let at = self.runs.partition_point(|run| run.last < number);
        let Some(run) = self.runs.get_mut(at).filter(|run| run.first <= number) else {
            return false;
        };
        let (first, last) = (run.first, run.last);
        if first == last {
            self.runs.remove(at);
        } else if number == first {
            run.first += 1;
        } else if number == last {
            run.last -= 1;
        } else {
            run.last = number - 1;
            let rest = Gap {
                first: number + 1,
                ..*run
            };
            self.runs.insert(at + 1, Gap { last, ..rest });
        }
        true
    }

    /// A number was published: whatever is missing below it is not under way on IOPub.
    pub fn pass(&mut self, number: u64, now: f64) {
        if self.runs.back().is_none_or(|run| run.passed.is_some()) {
            return;
        }
        let from = self.runs.partition_point(|run| run.passed.is_some());
        for run in self.runs.iter_mut().skip(from).take_while(|run| run.last < number) {
            run.passed = Some(now);
        }
    }

    /// The oldest run, if it was passed at least `grace` seconds ago.
    pub fn take_settled(&mut self, now: f64, grace: f64) -> Option<Gap> {
        let passed = self.runs.front()?.passed?;
        // A clock that went back makes it wait
        if now >= passed + grace {
            return self.runs.pop_front();
        }
        None
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.runs.clear();
    }
}

/// Runs that are kept: far more than a kernel that loses messages under load has within a few seconds.
const MAX_RUNS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(gaps: &Gaps) -> Vec<(u64, u64)> {
        gaps.runs.iter().map(|run| (run.first, run.last)).collect()
    }

    #[test]
    fn a_run_is_filled_from_both_ends_and_in_the_middle() {
        let mut gaps = Gaps::default();
        gaps.open(2, 9);
        for number in [2, 9, 5] {
            assert!(gaps.fill(number));
            assert!(!gaps.fill(number), "{number} is no longer missing");
        }
        assert_eq!(runs(&gaps), [(3, 4), (6, 8)]);
        assert!(!gaps.fill(1) && !gaps.fill(10));
        for number in [3, 4, 6, 7, 8] {
            assert!(gaps.fill(number));
        }
        assert_eq!(runs(&gaps), []);
    }

    #[test]
    fn a_run_settles_when_it_has_been_passed_for_long_enough() {
        let mut gaps = Gaps::default();
        gaps.open(2, 4);
        gaps.open(6, 6);
        assert_eq!(gaps.take_settled(1e9, 5.0), None, "nothing was published behind it");
        gaps.pass(5, 10.0);
        gaps.pass(7, 11.0);
        gaps.pass(8, 12.0);
        assert_eq!(gaps.take_settled(14.9, 5.0), None);
        assert_eq!(gaps.take_settled(15.0, 5.0).map(|gap| gap.len()), Some(3));
        assert_eq!(gaps.take_settled(15.0, 5.0), None);
        assert_eq!(gaps.take_settled(16.0, 5.0).map(|gap| gap.first), Some(6));
    }

    #[test]
    fn what_is_left_of_a_run_keeps_its_time() {
        let mut gaps = Gaps::default();
        gaps.open(2, 6);
        gaps.pass(7, 1.0);
        gaps.fill(4);
        gaps.open(8, 8);
        let settled = std::iter::from_fn(|| gaps.take_settled(6.0, 5.0));
        let settled: Vec<_> = settled.map(|gap| (gap.first, gap.last)).collect();
        assert_eq!(settled, [(2, 3), (5, 6)]);
        assert_eq!(runs(&gaps), [(8, 8)]);
    }

    #[test]
    fn a_clock_that_goes_back_settles_nothing() {
        let mut gaps = Gaps::default();
        gaps.open(1, 1);
        gaps.pass(2, 100.0);
        assert_eq!(gaps.take_settled(1.0, 5.0), None);
        assert_eq!(gaps.take_settled(f64::NAN, 5.0), None);
    }

    #[test]
    fn of_too_many_runs_the_oldest_is_given_up() {
        let mut gaps = Gaps::default();
        for number in 0..5000 {
            gaps.open(2 * number, 2 * number);
        }
        assert_eq!(gaps.runs.len(), MAX_RUNS);
        assert_eq!(gaps.runs.back().map(|run| run.last), Some(9998));
    }
}

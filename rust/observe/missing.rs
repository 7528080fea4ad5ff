//! Ranges of missing numbers in ascending order, until they arrive late or have been missing for too long.
//!
//! A range is *passed* when a higher number arrived on IOPub. IOPub is in order, so the numbers of the range cannot arrive
//! there any more, only on other channels. Memory is bounded: if there are too many ranges, the oldest is removed. Cost:
//! O(1) for each range; a binary search for each late number.

use std::collections::VecDeque;

/// The numbers `first..=last`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MissingRange {
    /// The lowest missing number.
    pub first: u64,
    /// The highest missing number.
    pub last: u64,
    /// When a higher number first arrived on IOPub.
    passed: Option<f64>,
}

impl MissingRange {
    /// How many numbers are missing.
    #[allow(clippy::len_without_is_empty)] // a range is never empty
    pub fn len(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// All missing ranges of one kernel.
#[derive(Debug, Default)]
pub struct MissingRanges {
    ranges: VecDeque<MissingRange>,
}

impl MissingRanges {
    /// Adds the range `first..=last`, which must be above all others.
    pub fn open(&mut self, first: u64, last: u64) {
        if self.ranges.len() >= MAX_RANGES {
            self.ranges.pop_front();
        }
        let passed = None;
        self.ranges.push_back(MissingRange { first, last, passed });
    }

    /// Removes a number that arrived late. False: it was not missing.
    pub fn fill(&mut self, number: u64) -> bool {
        let at = self.ranges.partition_point(|range| range.last < number);
        let Some(range) = self.ranges.get_mut(at).filter(|range| range.first <= number) else {
            return false;
        };
        let (first, last) = (range.first, range.last);
        if first == last {
            self.ranges.remove(at);
        } else if number == first {
            range.first += 1;
        } else if number == last {
            range.last -= 1;
        } else {
            range.last = number - 1;
            let rest = MissingRange {
                first: number + 1,
                ..*range
            };
            self.ranges.insert(at + 1, MissingRange { last, ..rest });
        }
        true
    }

    /// Handles a number that arrived on IOPub: ranges below it are passed.
    pub fn pass(&mut self, number: u64, now: f64) {
        if self.ranges.back().is_none_or(|range| range.passed.is_some()) {
            return;
        }
        let from = self.ranges.partition_point(|range| range.passed.is_some());
        for range in self
            .ranges
            .iter_mut()
            .skip(from)
            .take_while(|range| range.last < number)
        {
            range.passed = Some(now);
        }
    }

    /// Removes the oldest range if it was passed at least `grace` seconds ago.
    pub fn take_settled(&mut self, now: f64, grace: f64) -> Option<MissingRange> {
        let passed = self.ranges.front()?.passed?;
        // If the clock runs backwards, the range stays longer
        if now >= passed + grace {
            return self.ranges.pop_front();
        }
        None
    }

    /// Removes all ranges.
    pub fn clear(&mut self) {
        self.ranges.clear();
    }
}

/// The most ranges that are kept: far more than a kernel under load produces within a few seconds.
const MAX_RANGES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(missing: &MissingRanges) -> Vec<(u64, u64)> {
        missing.ranges.iter().map(|range| (range.first, range.last)).collect()
    }

    #[test]
    fn a_range_is_filled_from_both_ends_and_in_the_middle() {
        let mut missing = MissingRanges::default();
        missing.open(2, 9);
        for number in [2, 9, 5] {
            assert!(missing.fill(number));
            assert!(!missing.fill(number), "{number} is no longer missing");
        }
        assert_eq!(ranges(&missing), [(3, 4), (6, 8)]);
        assert!(!missing.fill(1) && !missing.fill(10));
        for number in [3, 4, 6, 7, 8] {
            assert!(missing.fill(number));
        }
        assert_eq!(ranges(&missing), []);
    }

    #[test]
    fn a_range_settles_when_it_has_been_passed_for_long_enough() {
        let mut missing = MissingRanges::default();
        missing.open(2, 4);
        missing.open(6, 6);
        assert_eq!(
            missing.take_settled(1e9, 5.0),
            None,
            "no higher number arrived on IOPub"
        );
        missing.pass(5, 10.0);
        missing.pass(7, 11.0);
        missing.pass(8, 12.0);
        assert_eq!(missing.take_settled(14.9, 5.0), None);
        assert_eq!(missing.take_settled(15.0, 5.0).map(|range| range.len()), Some(3));
        assert_eq!(missing.take_settled(15.0, 5.0), None);
        assert_eq!(missing.take_settled(16.0, 5.0).map(|range| range.first), Some(6));
    }

    #[test]
    fn the_rest_of_a_range_keeps_its_time() {
        let mut missing = MissingRanges::default();
        missing.open(2, 6);
        missing.pass(7, 1.0);
        missing.fill(4);
        missing.open(8, 8);
        let settled = std::iter::from_fn(|| missing.take_settled(6.0, 5.0));
        let settled: Vec<_> = settled.map(|range| (range.first, range.last)).collect();
        assert_eq!(settled, [(2, 3), (5, 6)]);
        assert_eq!(ranges(&missing), [(8, 8)]);
    }

    #[test]
    fn a_clock_that_runs_backwards_settles_nothing() {
        let mut missing = MissingRanges::default();
        missing.open(1, 1);
        missing.pass(2, 100.0);
        assert_eq!(missing.take_settled(1.0, 5.0), None);
        assert_eq!(missing.take_settled(f64::NAN, 5.0), None);
    }

    #[test]
    fn of_too_many_ranges_the_oldest_is_removed() {
        let mut missing = MissingRanges::default();
        for number in 0..5000 {
            missing.open(2 * number, 2 * number);
        }
        assert_eq!(missing.ranges.len(), MAX_RANGES);
        assert_eq!(missing.ranges.back().map(|range| range.last), Some(9998));
    }
}

//! Decides when a message fits into upstream's rate limits, for sessions that hold messages instead of dropping them.
//!
//! The counts are those of `RateWindow::check`: the same messages count for the same time, and an idle status resets
//! them. A message that does not fit waits until enough earlier messages have left the window. Upstream's pause until the
//! rate is below 0.8 of the limit applies to dropping only. A message larger than a whole window is sent when the window is
//! empty. Cost: one step for each entry of the window that must leave it first.

use super::rate_window::{Limits, RateWindow, float, is_exempt};

/// How the rate window counts a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Class {
    /// A status with the execution_state idle: not counted, and resets the counts.
    Idle,
    /// Not counted.
    Exempt,
    /// One message.
    Message,
    /// One `stream` message of this many bytes.
    Stream(u64),
}

impl Class {
    /// The class of a message. `size` returns the sum of its parts in bytes; it is called for a `stream` only.
    pub fn of(msg_type: &str, idle: bool, size: impl FnOnce() -> u64) -> Self {
        match msg_type {
            "status" if idle => Self::Idle,
            "stream" => Self::Stream(size()),
            name if is_exempt(name) => Self::Exempt,
            _ => Self::Message,
        }
    }

    /// The bytes that count; None if the message is not counted.
    fn counted(self) -> Option<u64> {
        match self {
            Self::Idle | Self::Exempt => None,
            Self::Message => Some(0),
            Self::Stream(bytes) => Some(bytes),
        }
    }
}

impl RateWindow {
    /// The time at which a message can be sent: `now` or later.
    pub fn ready_at(&mut self, now: f64, class: Class, limits: Limits) -> f64 {
        let Some(bytes) = class.counted().filter(|_| limits.window > 0.0) else {
            return now;
        };
        // An entry cannot expire later than this unless the clock ran backwards or the window became shorter
        if self.queue.front().is_some_and(|expiry| expiry.at > now + limits.window) {
            *self = Self::default();
        }
        self.take_back(now);
        let fits = |count: u64, sum: u64| {
            let few = limits.messages <= 0.0 || count == 0 || float(count + 1) / limits.window <= limits.messages;
            let small = limits.bytes <= 0.0 || bytes == 0 || sum == 0;
            few && (small || float(sum.saturating_add(bytes)) / limits.window <= limits.bytes)
        };
        let (mut count, mut sum) = (self.count, self.bytes);
        let mut at = now;
        for expiry in &self.queue {
            if fits(count, sum) {
                break;
            }
            count = count.saturating_sub(expiry.count);
            sum = sum.saturating_sub(expiry.bytes);
            at = expiry.at;
        }
        at
    }

    /// Counts a message that is sent.
    pub fn leaves(&mut self, now: f64, class: Class, limits: Limits) {
        match class.counted() {
            Some(bytes) if limits.window > 0.0 => {
                self.take_back(now);
                self.add(now + limits.window, bytes);
            }
            None if class == Class::Idle => *self = Self::default(),
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // times are passed on unchanged
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        messages: 2.0,
        bytes: 100.0,
        window: 1.0,
    };

    fn leave(window: &mut RateWindow, now: f64, class: Class) -> bool {
        let ready = window.ready_at(now, class, LIMITS) <= now;
        if ready {
            window.leaves(now, class, LIMITS);
        }
        ready
    }

    #[test]
    fn a_message_waits_until_it_fits() {
        let mut window = RateWindow::default();
        assert!(leave(&mut window, 0.0, Class::Message));
        assert!(leave(&mut window, 0.5, Class::Stream(60)));
        assert!(!leave(&mut window, 0.6, Class::Message));
        assert_eq!(window.ready_at(0.6, Class::Message, LIMITS), 1.0);
        assert_eq!(window.ready_at(0.6, Class::Stream(41), LIMITS), 1.5);
        assert!(leave(&mut window, 1.0, Class::Stream(40)));
        assert!(leave(&mut window, 1.0, Class::Exempt), "it is not counted");
    }

    #[test]
    fn a_message_larger_than_a_whole_window_is_sent_alone() {
        let mut window = RateWindow::default();
        assert!(leave(&mut window, 0.0, Class::Stream(1)));
        assert_eq!(window.ready_at(0.0, Class::Stream(1000), LIMITS), 1.0);
        assert!(leave(&mut window, 1.0, Class::Stream(1000)));
        assert!(!leave(&mut window, 1.0, Class::Stream(1)));
        assert!(leave(&mut window, 1.0, Class::Message), "it has no bytes");
    }

    #[test]
    fn idle_resets_everything() {
        let mut window = RateWindow::default();
        assert!(leave(&mut window, 0.0, Class::Stream(100)));
        assert!(!leave(&mut window, 0.0, Class::Stream(1)));
        assert!(leave(&mut window, 0.0, Class::Idle));
        assert!(leave(&mut window, 0.0, Class::Stream(100)));
    }

    #[test]
    fn what_is_not_counted_resets_nothing() {
        let mut window = RateWindow::default();
        assert!(leave(&mut window, 0.0, Class::Message));
        assert!(leave(&mut window, 0.0, Class::Message));
        assert!(leave(&mut window, 0.0, Class::Exempt));
        assert!(!leave(&mut window, 0.0, Class::Message));
    }

    #[test]
    fn limits_are_those_of_a_second_in_a_window_of_any_length() {
        let limits = Limits { window: 2.0, ..LIMITS };
        let mut window = RateWindow::default();
        for _ in 0..4 {
            assert_eq!(window.ready_at(0.0, Class::Stream(50), limits), 0.0);
            window.leaves(0.0, Class::Stream(50), limits);
        }
        assert_eq!(window.ready_at(0.0, Class::Message, limits), 2.0);
        let few = Limits {
            messages: 0.0,
            ..limits
        };
        assert_eq!(window.ready_at(0.0, Class::Message, few), 0.0);
        assert_eq!(window.ready_at(0.0, Class::Stream(1), few), 2.0);
    }

    #[test]
    fn a_window_that_is_turned_off_delays_and_counts_nothing() {
        let off = Limits { window: 0.0, ..LIMITS };
        let mut window = RateWindow::default();
        assert!(leave(&mut window, 0.0, Class::Stream(100)));
        assert_eq!(window.ready_at(0.5, Class::Stream(99), off), 0.5);
        window.leaves(0.5, Class::Stream(99), off);
        assert_eq!(window.ready_at(0.5, Class::Message, LIMITS), 0.5);
        assert_eq!(
            window.ready_at(0.5, Class::Stream(1), LIMITS),
            1.0,
            "what was counted before is not forgotten"
        );
    }

    #[test]
    fn limits_that_are_not_positive_limit_nothing() {
        let mut window = RateWindow::default();
        for limits in [
            Limits {
                messages: 0.0,
                bytes: 0.0,
                window: 1.0,
            },
            Limits { window: 0.0, ..LIMITS },
            Limits {
                window: f64::NAN,
                ..LIMITS
            },
        ] {
            for _ in 0..9 {
                assert_eq!(window.ready_at(0.0, Class::Stream(99), limits), 0.0);
                window.leaves(0.0, Class::Stream(99), limits);
            }
        }
    }

    #[test]
    fn a_clock_that_runs_backwards_delays_nothing() {
        let mut window = RateWindow::default();
        assert!(leave(&mut window, 1000.0, Class::Stream(100)));
        assert!(leave(&mut window, 1.0, Class::Stream(100)));
        assert!(!leave(&mut window, 1.0, Class::Stream(100)));
        let _ = window.ready_at(f64::NAN, Class::Message, LIMITS);
    }

    #[test]
    fn classes_are_those_of_upstream() {
        let of = |name, idle| Class::of(name, idle, || 7);
        assert_eq!(of("status", true), Class::Idle);
        assert_eq!(of("status", false), Class::Exempt);
        assert_eq!(of("comm_open", false), Class::Exempt);
        assert_eq!(of("execute_input", true), Class::Exempt);
        assert_eq!(of("stream", false), Class::Stream(7));
        assert_eq!(of("error", false), Class::Message);
    }
}

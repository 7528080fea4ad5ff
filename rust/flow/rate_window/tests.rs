//! Scenarios with chosen times. `tests/parity` compares the numbers with upstream.

use bytes::Bytes;

use super::RateEvent::{DataExceeded, MessagesExceeded, Resumed};
use super::Verdict::{Drop, Forward};
use super::*;
use crate::kernel_wire::frames::FramesBuilder;
use crate::kernel_wire::signature::Signer;
use crate::receiver::Receiver;

const LIMITS: Limits = Limits {
    messages: 2.0,
    bytes: 100.0,
    window: 5.0,
};

fn stream(window: &mut RateWindow, now: f64, size: u64) -> (Verdict, Vec<RateEvent>) {
    window.check(now, "stream", false, size, LIMITS)
}

/// A window of 5 s that forwarded the ten messages of its limit at `now`.
fn full(now: f64) -> RateWindow {
    let mut window = RateWindow::default();
    for _ in 0..10 {
        assert_eq!(stream(&mut window, now, 1), (Forward, vec![]));
    }
    window
}

#[test]
fn the_limit_itself_passes_and_its_excess_is_reported_once() {
    let mut window = full(0.0);
    assert_eq!(stream(&mut window, 0.0, 1), (Drop, vec![MessagesExceeded]));
    assert_eq!(stream(&mut window, 1.0, 1), (Drop, vec![]));
}

#[test]
fn refused_messages_are_not_counted() {
    let mut window = full(0.0);
    for _ in 0..1000 {
        assert_eq!(stream(&mut window, 1.0, 1).0, Drop);
    }
    assert_eq!((window.count, window.bytes, window.queue.len()), (10, 10, 1));
    assert_eq!(stream(&mut window, 5.0, 1), (Forward, vec![Resumed]));
}

#[test]
fn sending_resumes_below_four_fifths_of_the_limit() {
    let mut window = RateWindow::default();
    for now in 0..10 {
        assert_eq!(stream(&mut window, f64::from(now) * 0.1, 1).0, Forward);
    }
    assert_eq!(stream(&mut window, 1.0, 1).0, Drop);
    // At 5.2 three have expired and one has arrived: 8 of 10, which is exactly four fifths
    assert_eq!(stream(&mut window, 5.25, 1), (Drop, vec![]));
    assert_eq!(stream(&mut window, 5.35, 1), (Forward, vec![Resumed]));
}

#[test]
fn only_bytes_of_streams_count() {
    let mut window = RateWindow::default();
    assert_eq!(
        window.check(0.0, "display_data", false, 1 << 40, LIMITS),
        (Forward, vec![])
    );
    assert_eq!(stream(&mut window, 0.0, 500), (Forward, vec![]));
    assert_eq!(stream(&mut window, 0.0, 1), (Drop, vec![DataExceeded]));
    assert_eq!(
        window.check(0.0, "display_data", false, 1, LIMITS),
        (Drop, vec![]),
        "the bytes are not below four fifths"
    );
}

#[test]
fn resumed_is_reported_when_both_rates_are_below_their_limits() {
    let mut window = full(0.0);
    assert_eq!(
        stream(&mut window, 0.0, 600),
        (Drop, vec![MessagesExceeded, DataExceeded])
    );
    assert_eq!(
        window.check(0.0, "error", false, 0, LIMITS),
        (Drop, vec![]),
        "bytes are below, messages are not"
    );
    assert!(window.messages_exceeded && !window.data_exceeded);
    assert_eq!(stream(&mut window, 5.0, 1), (Forward, vec![Resumed]));
}

#[test]
fn one_message_can_resume_one_limit_and_exceed_the_other() {
    let mut window = full(0.0);
    assert_eq!(stream(&mut window, 0.0, 0), (Drop, vec![MessagesExceeded]));
    assert_eq!(stream(&mut window, 6.0, 501), (Drop, vec![Resumed, DataExceeded]));
}

#[test]
fn exempt_types_pass_uncounted_even_over_the_limit() {
    let mut window = full(0.0);
    assert_eq!(stream(&mut window, 0.0, 1).0, Drop);
    for name in ["status", "comm_open", "execute_input"] {
        assert_eq!(window.check(0.0, name, false, 1 << 40, LIMITS), (Forward, vec![]));
    }
    assert_eq!(window.count, 10);
    assert_eq!(stream(&mut window, 0.0, 1).0, Drop);
}

#[test]
fn a_status_of_idle_resets_everything_without_an_event() {
    let mut window = full(0.0);
    assert_eq!(stream(&mut window, 0.0, 1).0, Drop);
    assert_eq!(
        window.check(0.0, "error", true, 1, LIMITS).0,
        Drop,
        "only a status is idle"
    );
    assert_eq!(window.check(0.0, "status", true, 1, LIMITS), (Forward, vec![]));
    assert_eq!(stream(&mut window, 0.0, 1), (Forward, vec![]));
    assert_eq!(window.count, 1);
}

#[test]
fn a_message_expires_after_the_window_with_which_it_was_counted() {
    let mut window = full(0.0);
    let shorter = Limits {
        window: 1.0,
        messages: 10.5,
        ..LIMITS
    };
    assert_eq!(
        window.check(1.0, "stream", false, 1, shorter).0,
        Drop,
        "10 are still counted"
    );
    assert_eq!(window.check(4.9, "stream", false, 1, shorter).0, Drop);
    assert_eq!(window.check(5.0, "stream", false, 1, shorter), (Forward, vec![Resumed]));
}

#[test]
fn a_limit_of_zero_is_no_limit() {
    let mut window = RateWindow::default();
    let none = Limits {
        messages: 0.0,
        bytes: 0.0,
        window: 1.0,
    };
    for _ in 0..1000 {
        assert_eq!(window.check(0.0, "stream", false, u64::MAX, none), (Forward, vec![]));
    }
}

#[test]
fn odd_numbers_limit_nothing_and_panic_nowhere() {
    for odd in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
        let mut window = RateWindow::default();
        for _ in 0..100 {
            assert_eq!(
                window.check(0.0, "stream", false, 1000, Limits { window: odd, ..LIMITS }),
                (Forward, vec![])
            );
        }
    }
    for odd in [f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE] {
        let mut window = RateWindow::default();
        for limits in [
            Limits {
                messages: odd,
                ..LIMITS
            },
            Limits { bytes: odd, ..LIMITS },
            Limits { window: odd, ..LIMITS },
        ] {
            for now in [0.0, odd, -odd, 1.0] {
                let (_verdict, _events) = window.check(now, "stream", false, u64::MAX, limits);
            }
        }
    }
}

#[test]
fn a_clock_that_runs_backwards_only_delays_expiry() {
    let mut window = full(100.0);
    assert_eq!(stream(&mut window, 0.0, 1).0, Drop);
    assert_eq!(stream(&mut window, 104.9, 1).0, Drop);
    assert_eq!(stream(&mut window, 105.0, 1), (Forward, vec![Resumed]));
}

#[test]
fn messages_of_one_instant_share_an_entry() {
    let mut window = RateWindow::default();
    let many = Limits {
        messages: 0.0,
        bytes: 0.0,
        window: 3.0,
    };
    for now in [0.0, 0.5, 0.5, 1.0] {
        for _ in 0..1000 {
            assert_eq!(window.check(now, "stream", false, 1, many).0, Forward);
        }
    }
    assert_eq!((window.queue.len(), window.count), (3, 4000));
    assert_eq!(window.check(3.5, "stream", false, 1, many).0, Forward);
    assert_eq!((window.queue.len(), window.count, window.bytes), (2, 1001, 1001));
}

/// A batch of messages with these types. `!` is a status with the execution_state idle.
fn batch(types: &[&str]) -> Batch {
    let mut frames = FramesBuilder::default();
    for name in types {
        let (name, content) = if *name == "!" {
            ("status", "{\"execution_state\":\"idle\"}")
        } else {
            (*name, "{}")
        };
        let header = format!("{{\"msg_type\":\"{name}\"}}");
        for frame in ["<IDS|MSG>", "", &header, "{}", "{}", content] {
            frames.keep(Bytes::from(frame.to_owned()));
        }
        frames.end_message();
    }
    let signer = Signer::new(b"", "hmac-sha256").unwrap();
    Receiver::new(signer, 0, true, true).process("iopub", frames.finish())
}

fn admitted(window: &mut RateWindow, types: &[&str]) -> Vec<(usize, usize, Vec<RateEvent>)> {
    let limits = Limits {
        messages: 2.0,
        bytes: 0.0,
        window: 1.0,
    };
    let runs = window.admit(&batch(types), 0.0, limits);
    runs.into_iter().map(|run| (run.start, run.stop, run.events)).collect()
}

#[test]
fn runs_are_cut_where_messages_are_dropped() {
    let window = RateWindow::default;
    assert_eq!(admitted(&mut window(), &[]), []);
    assert_eq!(admitted(&mut window(), &["a", "b"]), [(0, 2, vec![])]);
    assert_eq!(
        admitted(&mut window(), &["a", "b", "c", "d"]),
        [(0, 2, vec![MessagesExceeded])]
    );
    assert_eq!(
        admitted(&mut window(), &["a", "b", "c", "status", "d", "!", "e"]),
        [(0, 2, vec![MessagesExceeded]), (3, 4, vec![]), (5, 7, vec![])]
    );
}

#[test]
fn an_event_without_a_message_to_forward_is_an_empty_run() {
    let mut window = RateWindow::default();
    assert_eq!(admitted(&mut window, &["a", "b"]), [(0, 2, vec![])]);
    assert_eq!(admitted(&mut window, &["c", "d"]), [(0, 0, vec![MessagesExceeded])]);
    assert_eq!(admitted(&mut window, &["e", "status"]), [(1, 2, vec![])]);
    window.count = 0;
    window.queue.clear();
    assert_eq!(
        admitted(&mut window, &["status", "f", "g"]),
        [(0, 1, vec![]), (1, 3, vec![Resumed])]
    );
}

#[test]
fn a_batch_is_admitted_as_its_messages_one_by_one() {
    let types = [
        "a",
        "stream",
        "status",
        "b",
        "!",
        "c",
        "d",
        "e",
        "execute_input",
        "f",
        "!",
        "g",
    ];
    let limits = Limits {
        messages: 2.0,
        bytes: 50.0,
        window: 1.0,
    };
    let batch = batch(&types);
    let (mut together, mut single) = (RateWindow::default(), RateWindow::default());
    for now in [0.0, 0.5, 0.9, 1.0, 1.7, 3.0] {
        let runs = together.admit(&batch, now, limits);
        let forwarded: Vec<usize> = runs.iter().flat_map(|run| run.start..run.stop).collect();
        let mut expected = Vec::new();
        let mut events = Vec::new();
        for (index, message) in batch.messages().iter().enumerate() {
            let size = batch.parts(message).iter().map(|part| part.len() as u64).sum();
            let (verdict, new) = single.check(now, message.msg_type(), message.is_idle(), size, limits);
            events.extend(new);
            if verdict == Forward {
                expected.push(index);
            }
        }
        assert_eq!(forwarded, expected);
        assert_eq!(runs.into_iter().flat_map(|run| run.events).collect::<Vec<_>>(), events);
    }
}

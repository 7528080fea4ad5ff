use super::*;
use crate::flow::leave::Taken;
use crate::flow::testing::{HELD, MERGING, append, append_on, batch, encoded, take, text};

fn outbox(config: Config) -> Outbox {
    Outbox::new(Protocol::V1, config)
}

#[test]
fn unacknowledged_messages_are_resent_unchanged_and_in_order() {
    let mut outbox = outbox(MERGING);
    append_on(&mut outbox, "shell", &[("reply", "p", "1")], 0.0);
    append(
        &mut outbox,
        &[
            ("stream", "p", &text("a")),
            ("stream", "p", &text("b")),
            ("error", "p", "2"),
        ],
        0.0,
    );
    assert_eq!(take(&mut outbox, 0.0), ["1", &text("a"), &text("b"), "2"]);
    let ping = outbox.ping_due(1.0).unwrap();
    append(
        &mut outbox,
        &[("stream", "p", &text("c")), ("stream", "p", &text("d"))],
        1.0,
    );
    append_on(&mut outbox, "shell", &[("reply", "p", "3")], 1.0);
    assert_eq!(take(&mut outbox, 1.0), ["3", &text("c")]);
    assert!(outbox.acknowledge(ping));
    let before = outbox.stats();
    assert_eq!(
        (before.cursors.acknowledged, before.cursors.sent, before.waiting),
        (4, 6, 1)
    );
    outbox.detach(false);
    assert!(!outbox.acknowledge(ping + 1));
    append(&mut outbox, &[("stream", "p", &text("e"))], 2.0);
    let stats = outbox.stats();
    assert_eq!((stats.cursors.sent, stats.waiting, stats.replay), (4, 4, 2));
    assert!(take(&mut outbox, 9.0).is_empty());
    outbox.attach(Protocol::V1);
    assert_eq!(
        take(&mut outbox, 2.0),
        ["3", &text("c")],
        "d and e wait for the window of c"
    );
    assert_eq!(take(&mut outbox, 3.0), [text("de")]);
    assert_eq!(outbox.stats().cursors.repeats, 2);
}

#[test]
fn a_message_is_resent_until_it_is_acknowledged() {
    let mut outbox = outbox(MERGING);
    append(&mut outbox, &[("error", "p", "1"), ("error", "p", "2")], 0.0);
    for _ in 0..3 {
        assert_eq!(take(&mut outbox, 0.0), ["1", "2"]);
        // The second time without an earlier `detach`
        outbox.attach(Protocol::V1);
    }
    assert_eq!(take(&mut outbox, 0.0), ["1", "2"]);
    outbox.acknowledge_all();
    assert_eq!(outbox.stats().cursors.acknowledged, 2);
    outbox.attach(Protocol::V1);
    assert!(take(&mut outbox, 0.0).is_empty());
    assert_eq!(outbox.stats().cursors.repeats, 6);
}

#[test]
fn a_new_client_starts_with_a_new_rate_window() {
    let mut outbox = outbox(HELD);
    append(
        &mut outbox,
        &[("error", "p", "1"), ("error", "p", "2"), ("error", "p", "3")],
        0.0,
    );
    assert_eq!(take(&mut outbox, 0.0), ["1", "2"]);
    outbox.attach(Protocol::V1);
    assert_eq!(take(&mut outbox, 0.0), ["1", "2"]);
}

#[test]
fn a_message_that_the_subprotocol_cannot_carry_is_never_appended() {
    let mut outbox = Outbox::new(Protocol::Legacy, MERGING);
    append(
        &mut outbox,
        &[("error", "p", "1"), ("error", "p", "not json"), ("error", "p", "{}")],
        0.0,
    );
    assert_eq!(outbox.stats().cursors.appended, 2);
}

#[test]
fn a_gap_is_next_until_it_is_filled_and_its_count_is_final() {
    let mut outbox = outbox(Config {
        backlog_limit: 4,
        ..Config::UNLIMITED
    });
    outbox.detach(false);
    for each in ["aa", "bb", "cc"] {
        append(&mut outbox, &[("stream", "p", &text(each))], 0.0);
    }
    outbox.attach(Protocol::V1);
    assert!(matches!(outbox.take(0.0, 1), Taken::Frames(_)));
    let Taken::Gap(id, gap) = outbox.take(0.0, 1) else {
        panic!("no gap")
    };
    assert_eq!((gap.count.messages, gap.count.bytes), (1, 2));
    append(
        &mut outbox,
        &[("stream", "p", &text("dddd")), ("stream", "p", &text("e"))],
        0.0,
    );
    outbox.cut();
    let Taken::Gap(again, same) = outbox.take(0.0, 1) else {
        panic!("no gap")
    };
    assert_eq!((again, same.count), (id, gap.count));
    assert!(!outbox.fill_gap(id + 1, Opcode::Binary, b""));
    let appended = outbox.stats().cursors.appended;
    assert!(outbox.fill_gap(id, Opcode::Binary, b"notice"));
    assert_eq!(outbox.stats().cursors.appended, appended + 1);
    assert!(!outbox.fill_gap(id, Opcode::Binary, b"notice"));
    let Taken::Frames(frames) = outbox.take(0.0, 1) else {
        panic!("no frames")
    };
    assert_eq!(frames.pieces[0].payload(), b"notice");
}

#[test]
fn a_cleared_outbox_is_empty_and_can_be_used_again() {
    let mut outbox = outbox(MERGING);
    append_on(&mut outbox, "shell", &[("reply", "p", "1"), ("reply", "p", "2")], 0.0);
    append(
        &mut outbox,
        &[
            ("error", "p", "1"),
            ("error", "p", "2"),
            ("stream", "p", &text("a")),
            ("stream", "p", &text("b")),
        ],
        0.0,
    );
    assert!(matches!(outbox.take(0.0, 1), Taken::Frames(_)));
    let spilled = outbox.spill(1).map(|(id, _)| id);
    outbox.clear(Reason::Closed);
    let stats = outbox.stats();
    assert_eq!(
        (
            stats.memory,
            stats.disk,
            stats.waiting,
            stats.unacknowledged,
            stats.text
        ),
        (0, 0, 0, 0, 0)
    );
    assert_eq!(
        (
            stats.cursors.appended,
            stats.cursors.sent,
            stats.left_out[Reason::ALL.len() - 1].messages
        ),
        (6, 1, 5)
    );
    append(&mut outbox, &[("error", "p", "3")], 9.0);
    assert_eq!(take(&mut outbox, 9.0), ["3"]);
    assert!(spilled.is_some_and(|id| !outbox.restore(id, &Bytes::new())));
}

#[test]
fn text_over_the_limit_is_cut_before_it_can_no_longer_be_dropped() {
    for make_final in [
        |outbox: &mut Outbox| _ = outbox.detach(false),
        |outbox: &mut Outbox| drop(outbox.spill(1)),
    ] {
        let mut outbox = outbox(Config {
            backlog_limit: 4,
            ..Config::UNLIMITED
        });
        append(&mut outbox, &[("stream", "p", &text("aa")[..]); 3], 0.0);
        assert_eq!(outbox.stats().text, 6, "it can still be sent");
        make_final(&mut outbox);
        assert_eq!(outbox.stats().text, 4);
    }
}

#[test]
fn times_that_are_not_finite_do_no_harm() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0];
    for window in odd {
        for now in odd {
            let mut outbox = outbox(Config {
                merge_window: window,
                ..HELD
            });
            outbox.configure(Config {
                merge_window: window,
                limits: crate::flow::rate_window::Limits { window, ..HELD.limits },
                ..HELD
            });
            for _ in 0..3 {
                append(&mut outbox, &[("stream", "p", &text("a")), ("error", "p", "1")], now);
                take(&mut outbox, now);
                let _ = (outbox.ping_due(now), outbox.ping_at());
            }
            outbox.attach(Protocol::V1);
            outbox.clear(Reason::Closed);
            assert_eq!(outbox.memory(), 0);
        }
    }
}

#[test]
fn copies_are_the_answers_to_one_request_behind_the_output_before_them() {
    let mut outbox = outbox(Config::UNLIMITED);
    append(&mut outbox, &[("stream", "p", &text("a"))], 0.0);
    let lines = [
        ("execute_reply", "p", "1"),
        ("execute_reply", "other", "2"),
        ("execute_reply", "p", "3"),
    ];
    let batch = batch("shell", &lines);
    outbox.append_copies(&encoded(&batch, Protocol::V1), "p");
    append(&mut outbox, &[("stream", "p", &text("b"))], 0.0);
    assert_eq!(outbox.stats().cursors.appended, 4);
    assert_eq!(take(&mut outbox, 0.0), [&text("a"), "1", "3", &text("b")]);
}

//! Which messages are sent, in which order and when.

use super::*;
use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::flow::config::Config;
use crate::flow::testing::{HELD, MERGING, append, append_on, batch, encoded, notice_of, take, text, wake_at};

pub(super) fn outbox(config: Config) -> Outbox {
    Outbox::new(Protocol::V1, config)
}

pub(super) fn streams(outbox: &mut Outbox, texts: &[&str], now: f64) {
    for each in texts {
        append(outbox, &[("stream", "p", &text(each))], now);
    }
}

pub(super) fn frames(taken: Taken) -> FrameList {
    match taken {
        Taken::Frames(frames) => frames,
        _ => panic!("no frames"),
    }
}

#[test]
fn a_whole_batch_is_taken_as_the_object_that_was_appended() {
    let batch = batch(
        "iopub",
        &[("status", "p", "{}"), ("stream", "p", &text("a")), ("error", "p", "{}")],
    );
    for protocol in [Protocol::V1, Protocol::Legacy] {
        let encoded = encoded(&batch, protocol);
        let mut outbox = Outbox::new(protocol, MERGING);
        outbox.append(&encoded, 0, 3, 0.0);
        let whole = frames(outbox.take(0.0, u64::MAX));
        let object = whole.whole().and_then(|source| source.object()).unwrap();
        assert_eq!(object.downcast_ref::<&str>(), Some(&"the batch"));
        outbox.append(&encoded, 0, 2, 1.0);
        let part = frames(outbox.take(1.0, u64::MAX));
        assert!(part.whole().is_none());
        assert_eq!((part.pieces.len(), part.len()), (1, encoded.place(1).end));
    }
}

#[test]
fn frames_of_several_batches_are_taken_together() {
    let mut outbox = outbox(Config::UNLIMITED);
    let batch = batch("iopub", &[("error", "p", "{}"), ("error", "p", "[1]")]);
    let encoded = encoded(&batch, Protocol::V1);
    let mut expected = Vec::new();
    for range in [0..2, 1..2, 0..1] {
        outbox.append(&encoded, range.start, range.end, 0.0);
        let start = if range.start == 0 { 0 } else { encoded.place(0).end };
        let all = Frame::new(encoded.source(), start, encoded.place(range.end - 1).end);
        expected.extend_from_slice(all.bytes());
    }
    let frames = frames(outbox.take(0.0, u64::MAX));
    assert_eq!(frames.len(), expected.len());
    assert_eq!(frames.into_segments().concat(), expected);
}

#[test]
fn over_the_limit_messages_wait_are_merged_and_sent_in_time() {
    let mut outbox = outbox(HELD);
    append(
        &mut outbox,
        &[("error", "p", "1"), ("error", "p", "2"), ("error", "p", "3")],
        0.0,
    );
    assert_eq!(take(&mut outbox, 0.0), ["1", "2"]);
    streams(&mut outbox, &["a", "b"], 0.5);
    append(&mut outbox, &[("status", "p", "{}")], 0.5);
    assert_eq!(wake_at(&mut outbox, 0.5), Some(1.0));
    assert_eq!(
        take(&mut outbox, 1.0),
        ["3", &text("ab"), "{}"],
        "a status is not counted"
    );
    outbox.configure(Config { hold: false, ..HELD });
    append(&mut outbox, &[("error", "p", "4"), ("error", "p", "5")], 1.0);
    assert_eq!(take(&mut outbox, 1.0), ["4", "5"]);
}

#[test]
fn idle_resets_the_rate_limits() {
    let mut outbox = outbox(HELD);
    let idle = r#"{"execution_state":"idle"}"#;
    append(
        &mut outbox,
        &[
            ("error", "p", "1"),
            ("error", "p", "2"),
            ("status", "p", idle),
            ("error", "p", "3"),
        ],
        0.0,
    );
    assert_eq!(take(&mut outbox, 0.0), ["1", "2", idle, "3"]);
}

#[test]
fn replies_overtake_held_messages_but_input_requests_do_not() {
    let mut outbox = outbox(HELD);
    append(
        &mut outbox,
        &[("error", "p", "1"), ("error", "p", "2"), ("error", "p", "3")],
        0.0,
    );
    append_on(
        &mut outbox,
        "stdin",
        &[("input_request", "p", "\"in\""), ("other", "p", "\"out\"")],
        0.0,
    );
    append_on(&mut outbox, "shell", &[("execute_reply", "p", "\"shell\"")], 0.0);
    assert_eq!(take(&mut outbox, 0.0), ["\"out\"", "\"shell\"", "1", "2"]);
    assert_eq!(take(&mut outbox, 1.0), ["3", "\"in\""]);
    for _ in 0..3 {
        append_on(&mut outbox, "stdin", &[("input_request", "p", "\"in\"")], 1.0);
    }
    assert_eq!(take(&mut outbox, 1.0).len(), 3, "replies are not counted");
}

#[test]
fn each_lane_has_its_own_high_water_mark_and_one_message_is_always_sent() {
    let mut outbox = outbox(Config::UNLIMITED);
    append(&mut outbox, &[("error", "p", "1"); 3], 0.0);
    append_on(&mut outbox, "shell", &[("reply", "p", "2"); 3], 0.0);
    let len = frames(outbox.take(0.0, 1)).len();
    outbox.configure(Config {
        high_water: 2 * wide(len),
        ..Config::UNLIMITED
    });
    assert_eq!(take(&mut outbox, 0.0), ["2", "1", "1"]);
    assert_eq!(outbox.unacknowledged(), 4 * wide(len));
    outbox.acknowledge_all();
    outbox.configure(Config {
        high_water: 0,
        ..Config::UNLIMITED
    });
    assert_eq!(take(&mut outbox, 0.0), ["2", "1"]);
    assert_eq!(take(&mut outbox, 0.0), [""; 0]);
}

#[test]
fn a_take_is_as_large_as_asked_for_but_at_least_a_message() {
    let mut outbox = outbox(Config::UNLIMITED);
    append(&mut outbox, &[("error", "p", "1"); 4], 0.0);
    let len = frames(outbox.take(0.0, 0)).len();
    assert_eq!(frames(outbox.take_messages(0.0, 2 * wide(len))).pieces.len(), 2);
    assert_eq!(frames(outbox.take(0.0, 2 * wide(len) - 1)).len(), len);
}

#[test]
fn queued_messages_are_converted_to_the_subprotocol_of_the_next_client() {
    let contents = [text("a"), text("b")];
    for (from, to) in [(Protocol::V1, Protocol::Legacy), (Protocol::Legacy, Protocol::V1)] {
        let mut outbox = Outbox::new(from, MERGING);
        append_on(&mut outbox, "shell", &[("reply", "p", "{}")], 0.0);
        append(
            &mut outbox,
            &[
                ("stream", "p", &contents[0]),
                ("error", "p", "{}"),
                ("stream", "p", &contents[1]),
            ],
            0.0,
        );
        outbox.attach(to);
        assert_eq!(take(&mut outbox, 0.0), ["{}", &contents[0], "{}", &contents[1]]);
        append(&mut outbox, &[("error", "p", "{}")], 0.0);
        let direct = {
            let mut other = Outbox::new(to, MERGING);
            append(&mut other, &[("stream", "p", &contents[0])], 0.0);
            frames(other.take(0.0, 1)).pieces[0].bytes().to_vec()
        };
        outbox.detach(false);
        outbox.attach(to);
        let again = frames(outbox.take_messages(0.0, u64::MAX));
        assert_eq!(again.pieces[1].bytes(), direct);
    }
}

#[test]
fn a_message_that_the_other_subprotocol_cannot_carry_is_refused() {
    let mut outbox = outbox(Config::UNLIMITED);
    let odd = ("error", "p", "not json");
    append(&mut outbox, &[odd, odd, ("error", "p", "{}")], 0.0);
    append_on(&mut outbox, "shell", &[("reply", "p", "not json")], 0.0);
    outbox.attach(Protocol::Legacy);
    assert_eq!(take(&mut outbox, 0.0), ["{}"]);
    let stats = outbox.stats();
    assert_eq!((stats.refused, stats.waiting, stats.cursors.sent), (3, 0, 1));
}

#[test]
fn a_message_that_waits_for_an_acknowledgement_makes_a_ping_due_at_once() {
    for channel in ["iopub", "shell"] {
        let mut outbox = outbox(Config {
            high_water: 1000,
            ..Config::UNLIMITED
        });
        append_on(&mut outbox, channel, &[("error", "p", "1")], 0.0);
        assert!(matches!(outbox.take(0.0, u64::MAX), Taken::Frames(_)));
        assert_eq!(outbox.ping_due(0.0), Some(1));
        append_on(&mut outbox, channel, &[("error", "p", "1")], 0.0);
        assert!(matches!(outbox.take(0.0, u64::MAX), Taken::Frames(_)));
        assert_eq!(
            (outbox.ping_due(0.01), outbox.ping_at()),
            (None, Some(0.13)),
            "no message waits for an acknowledgement"
        );
        append_on(
            &mut outbox,
            channel,
            &[("error", "p", &format!("\"{}\"", "x".repeat(2000)))],
            0.01,
        );
        assert!(matches!(outbox.take(0.01, u64::MAX), Taken::Nothing(None)));
        assert_eq!((outbox.ping_at(), outbox.ping_due(0.01)), (Some(0.0), Some(2)));
        assert!(matches!(outbox.take(0.02, u64::MAX), Taken::Nothing(None)));
        assert_eq!(outbox.ping_due(0.02), None, "the ping was sent already");
        assert!(outbox.acknowledge(2));
        assert!(matches!(outbox.take(0.03, u64::MAX), Taken::Frames(_)));
        assert_eq!((outbox.ping_due(0.03), outbox.ping_at()), (None, Some(0.03 + 0.13)));
    }
}

#[test]
fn a_prompt_and_an_announcement_make_a_ping_due_at_once() {
    for prompt in [true, false] {
        let mut outbox = outbox(Config::UNLIMITED);
        append(&mut outbox, &[("error", "p", "1")], 0.0);
        take(&mut outbox, 0.0);
        assert_eq!(outbox.ping_due(0.0), Some(1));
        if prompt {
            append_on(&mut outbox, "stdin", &[("input_request", "p", "1")], 0.0);
        } else {
            outbox.announce(Opcode::Text, ANNOUNCEMENT);
        }
        assert!(matches!(outbox.take(0.01, u64::MAX), Taken::Frames(_)));
        assert_eq!(outbox.ping_due(0.01), Some(2));
    }
}

#[test]
fn messages_before_an_announcement_are_not_held_by_the_limits() {
    let mut outbox = outbox(HELD);
    append(&mut outbox, &[("display_data", "p", "{}"); 9], 0.0);
    assert_eq!(take(&mut outbox, 0.0).len(), 2);
    outbox.announce(Opcode::Binary, &notice_of("restarting"));
    append(&mut outbox, &[("display_data", "p", "1"); 9], 0.0);
    assert_eq!(take(&mut outbox, 0.0).len(), 7 + 1, "the limits hold what follows");
    assert_eq!(
        take(&mut outbox, 1.0),
        ["1", "1"],
        "messages before the announcement were not counted"
    );
}

const ANNOUNCEMENT: &[u8] = b"{\"header\":{\"msg_type\":\"status\"},\"content\":{}}";

#[test]
fn the_rate_limits_apply_to_the_first_text_after_a_skip() {
    let mut outbox = outbox(HELD);
    streams(&mut outbox, &["x"], 0.0);
    append(&mut outbox, &[("error", "p", "{}"); 2], 0.0);
    assert_eq!(take(&mut outbox, 0.0), [text("x"), "{}".into()]);
    outbox.skip();
    assert_eq!(take(&mut outbox, 0.0), ["{}"], "what is before it is not held");
    streams(&mut outbox, &["a"], 0.01);
    assert!(take(&mut outbox, 0.9).is_empty());
    assert_eq!(take(&mut outbox, 1.0), [text("a")]);
}

use super::*;
use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::flow::terms::Terms;
use crate::flow::testing::{HELD, MERGING, append, append_on, batch, encoded, take, text, update, wake_at};

fn outbox(terms: Terms) -> Outbox {
    Outbox::new(Protocol::V1, terms)
}

fn streams(outbox: &mut Outbox, texts: &[&str], now: f64) {
    for each in texts {
        append(outbox, &[("stream", "p", &text(each))], now);
    }
}

fn frames(taken: Taken) -> Frames {
    match taken {
        Taken::Frames(frames) => frames,
        _ => panic!("no frames"),
    }
}

#[test]
fn a_whole_batch_leaves_as_the_object_it_came_as() {
    let batch = batch(
        "iopub",
        &[("status", "p", "{}"), ("stream", "p", &text("a")), ("error", "p", "{}")],
    );
    for protocol in [Protocol::V1, Protocol::Legacy] {
        let encoded = encoded(&batch, protocol);
        let mut outbox = Outbox::new(protocol, MERGING);
        outbox.append(&batch, &encoded, 0, 3, 0.0);
        let whole = frames(outbox.take(0.0, u64::MAX));
        let object = whole.whole().and_then(|source| source.object()).unwrap();
        assert_eq!(object.downcast_ref::<&str>(), Some(&"the batch"));
        outbox.append(&batch, &encoded, 0, 2, 1.0);
        let part = frames(outbox.take(1.0, u64::MAX));
        assert!(part.whole().is_none());
        assert_eq!((part.pieces.len(), part.len()), (1, encoded.ends[1]));
    }
}

#[test]
fn what_left_out_of_several_batches_is_all_of_their_frames() {
    let mut outbox = outbox(Terms::UNLIMITED);
    let batch = batch("iopub", &[("error", "p", "{}"), ("error", "p", "[1]")]);
    let encoded = encoded(&batch, Protocol::V1);
    let mut expected = Vec::new();
    for range in [0..2, 1..2, 0..1] {
        outbox.append(&batch, &encoded, range.start, range.end, 0.0);
        let start = if range.start == 0 { 0 } else { encoded.ends[0] };
        let all = Frame::new(&encoded.source, start, encoded.ends[range.end - 1]);
        expected.extend_from_slice(all.bytes());
    }
    let frames = frames(outbox.take(0.0, u64::MAX));
    assert_eq!(frames.len(), expected.len());
    assert_eq!(frames.into_segments().concat(), expected);
}

#[test]
fn the_first_of_a_burst_leaves_at_once_and_the_others_together() {
    let mut outbox = outbox(MERGING);
    streams(&mut outbox, &["a", "b"], 10.0);
    assert_eq!(take(&mut outbox, 10.0), [text("a")]);
    assert_eq!(wake_at(&mut outbox, 10.0), Some(10.0 + 0.016));
    streams(&mut outbox, &["c"], 10.01);
    assert_eq!(take(&mut outbox, 10.01), [""; 0]);
    assert_eq!(take(&mut outbox, 10.016), [text("bc")]);
    streams(&mut outbox, &["d"], 10.02);
    assert_eq!(
        wake_at(&mut outbox, 10.02),
        Some(10.016 + 0.016),
        "within the next window"
    );
    streams(&mut outbox, &["e"], 11.0);
    assert_eq!(take(&mut outbox, 11.0), [text("de")]);
    streams(&mut outbox, &["f"], 12.0);
    assert_eq!(take(&mut outbox, 12.0), [text("f")], "after a pause at once");
}

#[test]
fn the_same_holds_for_updates_of_a_display() {
    let mut outbox = outbox(MERGING);
    let name = "update_display_data";
    let (first, last) = (update("a", 1), update("a", 3));
    append(&mut outbox, &[(name, "p", &first), (name, "p", &update("a", 2))], 0.0);
    assert_eq!(take(&mut outbox, 0.0), [&first[..]]);
    append(&mut outbox, &[(name, "p", &last)], 0.001);
    assert_eq!(wake_at(&mut outbox, 0.001), Some(0.016));
    assert_eq!(take(&mut outbox, 0.016), [last]);
}

#[test]
fn any_other_message_ends_the_run_and_nothing_waits() {
    let mut outbox = outbox(MERGING);
    streams(&mut outbox, &["a", "b", "c"], 0.0);
    append(&mut outbox, &[("status", "p", "{}")], 0.0);
    assert_eq!(take(&mut outbox, 0.0), [&text("a")[..], &text("bc"), "{}"]);
    streams(&mut outbox, &["d"], 0.0);
    outbox.append_own(Lane::Iopub, Opcode::Binary, b"own");
    assert_eq!(outbox.stats().counts.appended, 6);
    assert_eq!(frames(outbox.take(0.0, u64::MAX)).pieces.len(), 2);
}

#[test]
fn a_clock_that_goes_back_ends_the_window() {
    let mut outbox = outbox(MERGING);
    streams(&mut outbox, &["a", "b"], 1000.0);
    assert_eq!(take(&mut outbox, 1000.0), [text("a")]);
    assert_eq!(take(&mut outbox, 1.0), [text("b")]);
}

#[test]
fn a_window_that_is_closed_lets_go_of_what_waits() {
    let mut outbox = outbox(MERGING);
    streams(&mut outbox, &["a", "b"], 0.0);
    assert_eq!(take(&mut outbox, 0.0), [text("a")]);
    outbox.configure(Terms::UNLIMITED);
    streams(&mut outbox, &["c"], 0.0);
    assert_eq!(take(&mut outbox, 0.0), [text("b"), text("c")]);
}

#[test]
fn over_the_limit_messages_wait_merge_and_leave_in_time() {
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
    outbox.configure(Terms { hold: false, ..HELD });
    append(&mut outbox, &[("error", "p", "4"), ("error", "p", "5")], 1.0);
    assert_eq!(take(&mut outbox, 1.0), ["4", "5"]);
}

#[test]
fn idle_forgets_what_left_before_it() {
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
fn replies_pass_what_is_held_but_input_requests_do_not() {
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
    assert_eq!(take(&mut outbox, 1.0).len(), 3, "they are not counted");
}

#[test]
fn each_lane_has_a_high_water_mark_of_its_own_and_one_message_always_leaves() {
    let mut outbox = outbox(Terms::UNLIMITED);
    append(&mut outbox, &[("error", "p", "1"); 3], 0.0);
    append_on(&mut outbox, "shell", &[("reply", "p", "2"); 3], 0.0);
    let len = frames(outbox.take(0.0, 1)).len();
    outbox.configure(Terms {
        high_water: 2 * wide(len),
        ..Terms::UNLIMITED
    });
    assert_eq!(take(&mut outbox, 0.0), ["2", "1", "1"]);
    assert_eq!(outbox.unacknowledged(), 4 * wide(len));
    outbox.acknowledge_all();
    outbox.configure(Terms {
        high_water: 0,
        ..Terms::UNLIMITED
    });
    assert_eq!(take(&mut outbox, 0.0), ["2", "1"]);
    assert_eq!(take(&mut outbox, 0.0), [""; 0]);
}

#[test]
fn a_take_is_as_large_as_asked_for_but_at_least_a_message() {
    let mut outbox = outbox(Terms::UNLIMITED);
    append(&mut outbox, &[("error", "p", "1"); 4], 0.0);
    let len = frames(outbox.take(0.0, 0)).len();
    assert_eq!(frames(outbox.take_messages(0.0, 2 * wide(len))).pieces.len(), 2);
    assert_eq!(frames(outbox.take(0.0, 2 * wide(len) - 1)).len(), len);
}

#[test]
fn a_message_waits_for_the_client_that_comes_whatever_it_speaks() {
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
fn what_the_other_subprotocol_has_no_form_for_is_refused() {
    let mut outbox = outbox(Terms::UNLIMITED);
    let odd = ("error", "p", "not json");
    append(&mut outbox, &[odd, odd, ("error", "p", "{}")], 0.0);
    append_on(&mut outbox, "shell", &[("reply", "p", "not json")], 0.0);
    outbox.attach(Protocol::Legacy);
    assert_eq!(take(&mut outbox, 0.0), ["{}"]);
    let stats = outbox.stats();
    assert_eq!((stats.refused, stats.waiting, stats.counts.sent), (3, 0, 1));
}

#[test]
fn what_cannot_leave_now_is_not_the_first_of_a_burst() {
    let mut outbox = outbox(MERGING);
    streams(&mut outbox, &["x"], 0.0);
    let len = wide(frames(outbox.take(0.0, 1)).len());
    for (high_water, expected) in [(2 * len, ["a", "b"]), (2 * len - 1, ["ab", ""])] {
        outbox.configure(Terms { high_water, ..MERGING });
        streams(&mut outbox, &["a", "b"], 10.0);
        outbox.configure(MERGING);
        let mut out = take(&mut outbox, 10.0);
        out.extend(take(&mut outbox, 20.0));
        let expected: Vec<String> = expected
            .iter()
            .filter(|each| !each.is_empty())
            .map(|each| text(each))
            .collect();
        assert_eq!(out, expected);
        outbox.attach(Protocol::V1);
        outbox.configure(Terms::UNLIMITED);
        assert_eq!(take(&mut outbox, 0.0).len(), 1 + expected.len());
        outbox.acknowledge_all();
        outbox.configure(MERGING);
        streams(&mut outbox, &["x"], 0.0);
        assert_eq!(take(&mut outbox, 9.0), [text("x")]);
    }
}

#[test]
fn a_message_that_is_full_waits_for_nobody() {
    let mut outbox = outbox(MERGING);
    let full = "x".repeat(64 * 1024);
    streams(&mut outbox, &["a", &full], 0.0);
    assert_eq!(take(&mut outbox, 0.0), [text("a"), text(&full)]);
    streams(&mut outbox, &[&full[1..]], 0.001);
    assert_eq!(take(&mut outbox, 0.001), [""; 0]);
    assert_eq!(take(&mut outbox, 1.0), [text(&full[1..])]);
}

#[test]
fn a_merged_message_is_held_against_the_high_water_mark_with_all_of_its_text() {
    for (over, expected) in [(1, 0), (0, 1)] {
        let mut outbox = outbox(MERGING);
        streams(&mut outbox, &["x"], 0.0);
        let len = wide(frames(outbox.take(0.0, 1)).len());
        streams(&mut outbox, &["a", "b"], 0.001);
        outbox.configure(Terms {
            high_water: 2 * len + 1 - over,
            ..MERGING
        });
        assert_eq!(take(&mut outbox, 9.0).len(), expected);
    }
}

#[test]
fn what_waits_for_an_acknowledgement_asks_for_it_at_once() {
    for channel in ["iopub", "shell"] {
        let mut outbox = outbox(Terms {
            high_water: 1000,
            ..Terms::UNLIMITED
        });
        append_on(&mut outbox, channel, &[("error", "p", "1")], 0.0);
        assert!(matches!(outbox.take(0.0, u64::MAX), Taken::Frames(_)));
        assert_eq!(outbox.ping_due(0.0), Some(1));
        append_on(&mut outbox, channel, &[("error", "p", "1")], 0.0);
        assert!(matches!(outbox.take(0.0, u64::MAX), Taken::Frames(_)));
        assert_eq!(
            (outbox.ping_due(0.01), outbox.ping_at()),
            (None, Some(0.05)),
            "nobody waits"
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
        assert_eq!(outbox.ping_due(0.02), None, "it has been asked");
        assert!(outbox.acknowledge(2));
        assert!(matches!(outbox.take(0.03, u64::MAX), Taken::Frames(_)));
        assert_eq!((outbox.ping_due(0.03), outbox.ping_at()), (None, Some(0.01 + 0.05)));
    }
}

#[test]
fn a_prompt_and_an_announcement_ask_for_their_acknowledgement_at_once() {
    for prompt in [true, false] {
        let mut outbox = outbox(Terms::UNLIMITED);
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
fn what_was_before_an_announcement_is_not_held_by_the_limits() {
    let mut outbox = outbox(HELD);
    append(&mut outbox, &[("display_data", "p", "{}"); 9], 0.0);
    assert_eq!(take(&mut outbox, 0.0).len(), 2);
    outbox.announce(Opcode::Binary, &crate::flow::testing::notice_of("restarting"));
    append(&mut outbox, &[("display_data", "p", "1"); 9], 0.0);
    assert_eq!(take(&mut outbox, 0.0).len(), 7 + 1, "the limits hold what follows");
    assert_eq!(
        take(&mut outbox, 1.0),
        ["1", "1"],
        "for which the others were not counted"
    );
}

const ANNOUNCEMENT: &[u8] = b"{\"header\":{\"msg_type\":\"status\"},\"content\":{}}";

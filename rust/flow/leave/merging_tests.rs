//! The merge window: which messages wait for it, and for how long.

use super::tests::{frames, outbox, streams};
use super::*;
use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::flow::config::Config;
use crate::flow::testing::{MERGING, append, take, text, update, wake_at};

#[test]
fn the_first_of_several_texts_is_sent_at_once_and_the_others_merged() {
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
    assert_eq!(take(&mut outbox, 12.0), [text("f")], "sent at once after a pause");
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
fn any_other_message_ends_merging_and_all_are_sent() {
    let mut outbox = outbox(MERGING);
    streams(&mut outbox, &["a", "b", "c"], 0.0);
    append(&mut outbox, &[("status", "p", "{}")], 0.0);
    assert_eq!(take(&mut outbox, 0.0), [&text("a")[..], &text("bc"), "{}"]);
    streams(&mut outbox, &["d"], 0.0);
    outbox.append_own(Lane::Iopub, Opcode::Binary, b"own");
    assert_eq!(outbox.stats().cursors.appended, 6);
    assert_eq!(frames(outbox.take(0.0, u64::MAX)).pieces.len(), 2);
}

#[test]
fn a_clock_that_runs_backwards_ends_the_window() {
    let mut outbox = outbox(MERGING);
    streams(&mut outbox, &["a", "b"], 1000.0);
    assert_eq!(take(&mut outbox, 1000.0), [text("a")]);
    assert_eq!(take(&mut outbox, 1.0), [text("b")]);
}

#[test]
fn without_a_merge_window_queued_messages_are_sent() {
    let mut outbox = outbox(MERGING);
    streams(&mut outbox, &["a", "b"], 0.0);
    assert_eq!(take(&mut outbox, 0.0), [text("a")]);
    outbox.configure(Config::UNLIMITED);
    streams(&mut outbox, &["c"], 0.0);
    assert_eq!(take(&mut outbox, 0.0), [text("b"), text("c")]);
}

#[test]
fn a_message_that_cannot_be_sent_now_is_merged() {
    let mut outbox = outbox(MERGING);
    streams(&mut outbox, &["x"], 0.0);
    let len = wide(frames(outbox.take(0.0, 1)).len());
    for (high_water, expected) in [(2 * len, ["a", "b"]), (2 * len - 1, ["ab", ""])] {
        outbox.configure(Config { high_water, ..MERGING });
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
        outbox.configure(Config::UNLIMITED);
        assert_eq!(take(&mut outbox, 0.0).len(), 1 + expected.len());
        outbox.acknowledge_all();
        outbox.configure(MERGING);
        streams(&mut outbox, &["x"], 0.0);
        assert_eq!(take(&mut outbox, 9.0), [text("x")]);
    }
}

#[test]
fn a_message_with_the_most_text_is_not_merged() {
    let mut outbox = outbox(MERGING);
    let full = "x".repeat(64 * 1024);
    streams(&mut outbox, &["a", &full], 0.0);
    assert_eq!(take(&mut outbox, 0.0), [text("a"), text(&full)]);
    streams(&mut outbox, &[&full[1..]], 0.001);
    assert_eq!(take(&mut outbox, 0.001), [""; 0]);
    assert_eq!(take(&mut outbox, 1.0), [text(&full[1..])]);
}

#[test]
fn all_text_of_a_merged_message_counts_towards_the_high_water_mark() {
    for (over, expected) in [(1, 0), (0, 1)] {
        let mut outbox = outbox(MERGING);
        streams(&mut outbox, &["x"], 0.0);
        let len = wide(frames(outbox.take(0.0, 1)).len());
        streams(&mut outbox, &["a", "b"], 0.001);
        outbox.configure(Config {
            high_water: 2 * len + 1 - over,
            ..MERGING
        });
        assert_eq!(take(&mut outbox, 9.0).len(), expected);
    }
}

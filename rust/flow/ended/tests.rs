use super::*;
use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::flow::config::Config;
use crate::flow::testing::{HELD, MERGING, append, append_of, append_on, assert_balanced, notice_of, take, text};

const PARENT: &str = r#"{"msg_id":"p"}"#;
const DISPLAY: (&str, &str, &str) = ("display_data", PARENT, "{}");

fn outbox(config: Config) -> Outbox {
    Outbox::new(Protocol::V1, config)
}

fn left_out(outbox: &Outbox) -> u64 {
    let left_out = outbox.stats().left_out;
    Reason::ALL
        .iter()
        .zip(left_out)
        .filter(|(reason, _)| **reason == Reason::Restarted)
        .map(|(_, count)| count.messages)
        .sum()
}

#[test]
fn queued_output_of_the_process_is_dropped_with_one_notice_and_replies_stay() {
    let mut outbox = outbox(HELD);
    append(&mut outbox, &[("display_data", "p", "{}"); 5], 0.0);
    append_on(&mut outbox, "stdin", &[("input_request", "p", "{}")], 0.0);
    assert_eq!(take(&mut outbox, 0.0).len(), 2);
    append_on(&mut outbox, "shell", &[("execute_reply", "p", "reply")], 0.0);
    assert!(outbox.end_process(b"kernel").is_empty());
    assert_eq!(
        take(&mut outbox, 0.0),
        ["reply"],
        "the gap is inserted before the next message"
    );
    append_of(&mut outbox, "next", &[("execute_result", PARENT, "new")], 0.0);
    let out = take(&mut outbox, 0.0);
    assert!(out[0].starts_with("Restarted 4 "), "{out:?}");
    assert_eq!(&out[1..], ["new"], "the rate limits were reset");
    assert_eq!(left_out(&outbox), 4);
    assert_balanced(&outbox);
}

#[test]
fn late_output_of_the_process_is_dropped_too() {
    let mut outbox = outbox(Config::UNLIMITED);
    outbox.end_process(b"kernel");
    append_of(
        &mut outbox,
        "kernel",
        &[("stream", PARENT, &text("abc")), ("status", PARENT, "{}")],
        0.0,
    );
    assert_eq!(take(&mut outbox, 0.0), [""; 0]);
    append_of(&mut outbox, "next", &[DISPLAY], 0.0);
    let out = take(&mut outbox, 0.0);
    assert!(out[0].starts_with("Restarted 2 "), "{out:?}");
    assert!(out[0].contains(r#""msg_id":"p""#), "{out:?}");
    assert_eq!(&out[1..], ["{}"]);
    append_of(&mut outbox, "kernel", &[("stream", PARENT, &text("d"))], 0.0);
    append_of(&mut outbox, "next", &[DISPLAY], 0.0);
    assert_eq!(
        take(&mut outbox, 0.0)[0],
        r#"Restarted 1 1 of {"msg_id":"p"}"#,
        "the bytes are those of the text"
    );
    assert_balanced(&outbox);
}

#[test]
fn without_output_of_the_process_there_is_no_notice() {
    let mut outbox = outbox(Config::UNLIMITED);
    append(&mut outbox, &[("display_data", "p", "{}")], 0.0);
    assert_eq!(take(&mut outbox, 0.0), ["{}"]);
    outbox.end_process(b"kernel");
    append_of(&mut outbox, "next", &[("display_data", PARENT, "1")], 0.0);
    assert_eq!(take(&mut outbox, 0.0), ["1"]);
}

#[test]
fn written_messages_and_messages_of_the_server_stay() {
    let mut outbox = outbox(MERGING);
    append(&mut outbox, &[("display_data", "p", "1")], 0.0);
    take(&mut outbox, 0.0);
    outbox.detach(false);
    append(
        &mut outbox,
        &[("display_data", "p", "2"), ("stream", "p", &text("x"))],
        0.0,
    );
    outbox.announce(Opcode::Binary, &notice_of("restarting"));
    outbox.end_process(b"kernel");
    outbox.attach(Protocol::V1);
    outbox.announce(Opcode::Binary, &notice_of("restarting"));
    let out = take(&mut outbox, 0.0);
    assert_eq!((&out[0][..], out.len()), ("1", 4));
    assert!(out[2].starts_with("Restarted 2 "), "{out:?}");
    assert_balanced(&outbox);
}

#[test]
fn earlier_gaps_and_blocks_are_counted_in_the_notice() {
    let mut outbox = outbox(MERGING);
    outbox.detach(false);
    append(&mut outbox, &[("display_data", "p", "{}"); 8], 0.0);
    assert!(outbox.drop_oldest_display());
    let (block, _) = outbox.spill(1).unwrap();
    assert_eq!(outbox.end_process(b"kernel"), [block]);
    assert!(!outbox.written(block));
    outbox.attach(Protocol::V1);
    append_of(&mut outbox, "next", &[DISPLAY], 0.0);
    let out = take(&mut outbox, 0.0);
    assert!(out[0].starts_with("Restarted 8 "), "{out:?}");
    assert_eq!(left_out(&outbox), 7, "one was dropped before");
    assert_balanced(&outbox);
    outbox.acknowledge_all();
    assert_eq!((outbox.memory(), outbox.stats().disk), (0, 0));
}

#[test]
fn a_session_copied_from_the_request_does_not_identify_the_process() {
    let mut outbox = outbox(Config::UNLIMITED);
    outbox.end_process(b"client");
    let parent = r#"{"msg_id":"p","session":"client"}"#;
    append_of(&mut outbox, "client", &[("execute_result", parent, "new")], 0.0);
    assert_eq!(take(&mut outbox, 0.0), ["new"]);
}

#[test]
fn messages_of_a_resumed_process_are_sent() {
    let mut outbox = outbox(Config::UNLIMITED);
    outbox.end_process(b"kernel");
    append_of(&mut outbox, "kernel", &[DISPLAY], 0.0);
    outbox.resume_process();
    append_of(&mut outbox, "kernel", &[("display_data", PARENT, "1")], 0.0);
    let out = take(&mut outbox, 0.0);
    assert!(out[0].starts_with("Restarted 1 "), "{out:?}");
    assert_eq!(&out[1..], ["1"]);
    assert_balanced(&outbox);
}

#[test]
fn a_process_without_queued_output_leaves_no_memory_behind() {
    let mut outbox = outbox(Config::UNLIMITED);
    append(&mut outbox, &[("display_data", "p", "{}")], 0.0);
    assert_eq!(take(&mut outbox, 0.0).len(), 1);
    outbox.end_process(b"kernel");
    outbox.acknowledge_all();
    assert_eq!(outbox.memory(), 0);
}

#[test]
fn an_announcement_on_the_disk_is_counted_too() {
    let mut outbox = outbox(MERGING);
    outbox.detach(false);
    append(&mut outbox, &[("display_data", "p", &"1".repeat(2000))], 0.0);
    outbox.announce(Opcode::Binary, &notice_of("restarting"));
    append(&mut outbox, &[("display_data", "p", "{}"); 4], 0.0);
    let (block, _) = outbox.spill(2000).unwrap();
    assert_eq!(outbox.end_process(b"kernel"), [block]);
    assert_balanced(&outbox);
}

#[test]
fn a_gap_between_spilled_messages_has_a_number_of_its_own() {
    let mut outbox = outbox(Config::UNLIMITED);
    outbox.end_process(b"kernel");
    outbox.detach(false);
    for content in [&"1".repeat(2000), "2", "3", "4"] {
        append_of(&mut outbox, "next", &[("display_data", PARENT, content)], 0.0);
        append_of(&mut outbox, "kernel", &[DISPLAY], 0.0);
    }
    let (id, block) = outbox.spill(2000).unwrap();
    assert!(outbox.written(id));
    assert!(outbox.restore(id, &Bytes::from(block.concat())));
    assert_balanced(&outbox);
}

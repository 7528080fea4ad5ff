//! What a page gets that takes an execution over.

use super::*;
use crate::executions::journal::{Config, Journal};
use crate::executions::testing::{BUSY, IDLE, UNLIMITED, answer, display, feed, feed_on, journal, updated};
use crate::flow::outbox::Outbox;
use crate::flow::testing::text;

const VOICE: Voice<'_> = Voice {
    session: "kernel\"s",
    ids: "new",
    date: "2026-01-01T00:00:00Z",
    notice: "[{messages} and {bytes}]",
};

/// Channel, type and content of each message. Checks what all have in common.
fn replayed(journal: &mut Journal, number: u64) -> Vec<(String, String, String)> {
    let found = journal.with(number, |execution| {
        execution.log.end();
        replay(execution, VOICE).messages
    });
    let (mut ids, mut shown) = (std::collections::HashSet::new(), Vec::new());
    for entry in found.unwrap() {
        assert_eq!(entry.class, Class::Exempt, "the rate limits do not apply");
        let message = transcode::decode(&entry).unwrap();
        let field = |part: usize, name: &[u8]| {
            let value = json::member(&message.parts[part], name).and_then(json::decode_string);
            value.unwrap_or_default().into_owned()
        };
        assert_eq!(field(1, b"msg_id"), "p");
        let msg_type = field(0, b"msg_type");
        if msg_type != "input_request" {
            assert_eq!(field(0, b"session"), VOICE.session);
            assert!(field(0, b"msg_id").starts_with("new_"));
        }
        assert!(ids.insert(field(0, b"msg_id")), "ids are unique");
        let content = String::from_utf8(message.parts[3].to_vec()).unwrap();
        shown.push((message.channel.unwrap(), msg_type, content));
    }
    shown
}

fn types(shown: &[(String, String, String)]) -> Vec<&str> {
    shown.iter().map(|(_, msg_type, _)| &**msg_type).collect()
}

fn begin(journal: &mut Journal) {
    feed(
        journal,
        &[
            ("status", "p", BUSY),
            ("execute_input", "p", r#"{"code":"1","execution_count":7}"#),
        ],
    );
}

#[test]
fn a_running_execution_is_cleared_and_then_shown() {
    let mut journal = journal(UNLIMITED, &["p"]);
    begin(&mut journal);
    feed(
        &mut journal,
        &[("stream", "p", &text("a")), ("stream", "p", &text("b"))],
    );
    feed(&mut journal, &[("display_data", "p", &display("d", "x"))]);
    feed(&mut journal, &[("update_display_data", "other", &display("d", "y"))]);
    let shown = replayed(&mut journal, 1);
    assert_eq!(types(&shown), ["clear_output", "stream", "display_data"]);
    assert_eq!(shown[0].2, r#"{"wait":true}"#);
    assert_eq!(shown[1].2, text("ab"));
    assert_eq!(shown[2].2, updated("d", "y"));
}

#[test]
fn without_output_the_page_is_cleared_at_once() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let shown = replayed(&mut journal, 1);
    assert_eq!(types(&shown), ["clear_output"]);
    assert_eq!(shown[0].2, r#"{"wait":false}"#);
}

#[test]
fn a_clear_that_waits_for_output_is_repeated() {
    let mut journal = journal(UNLIMITED, &["p"]);
    feed(
        &mut journal,
        &[("stream", "p", &text("a")), ("clear_output", "p", r#"{"wait":true}"#)],
    );
    let shown = replayed(&mut journal, 1);
    assert_eq!(types(&shown), ["clear_output", "stream", "clear_output"]);
}

#[test]
fn a_prompt_keeps_its_id_and_follows_the_output() {
    let mut journal = journal(UNLIMITED, &["p"]);
    begin(&mut journal);
    feed(&mut journal, &[("stream", "p", &text("a"))]);
    feed_on(
        &mut journal,
        "stdin",
        &[("input_request", "p", r#"{"prompt":"?"}"#)],
        0.0,
    );
    let shown = replayed(&mut journal, 1);
    assert_eq!(types(&shown), ["clear_output", "stream", "input_request"]);
    assert_eq!(shown[2].0, "stdin");
    let prompt = journal.get(1).unwrap().prompt.clone().unwrap();
    let entry = replay(journal.get(1).unwrap(), VOICE).messages.pop().unwrap();
    assert_eq!(entry.kind, Kind::Prompt);
    assert_eq!(transcode::decode(&entry).unwrap().parts[0], prompt.header);
}

#[test]
fn an_answer_is_shown_where_the_prompt_was() {
    let mut journal = journal(UNLIMITED, &["p"]);
    feed_on(
        &mut journal,
        "stdin",
        &[("input_request", "p", r#"{"prompt":"?"}"#)],
        0.0,
    );
    let parts = [
        r#"{"msg_type":"stream"}"#,
        "{}",
        "{}",
        r#"{"name":"stdin","text":"? 1"}"#,
    ];
    let parts = parts.map(|part| Bytes::from(part.to_owned()));
    journal.take_prompt(1, Frame::of_parts("iopub", &parts));
    let shown = replayed(&mut journal, 1);
    assert_eq!(types(&shown), ["clear_output", "stream"]);
    assert_eq!(shown[1].2, r#"{"name":"stdin","text":"? 1"}"#);
}

#[test]
fn the_kernels_own_reply_is_replayed_before_the_idle() {
    let mut journal = journal(UNLIMITED, &["p"]);
    begin(&mut journal);
    let reply = r#"{"status":"ok","execution_count":7,"user_expressions":{"a":1}}"#;
    feed_on(&mut journal, "shell", &[("execute_reply", "p", reply)], 0.0);
    feed(&mut journal, &[("status", "p", IDLE)]);
    let shown = replayed(&mut journal, 1);
    assert_eq!(types(&shown), ["clear_output", "execute_reply", "status"]);
    assert_eq!((&*shown[1].0, &*shown[1].2), ("shell", reply));
    assert_eq!(shown[2].2, IDLE);
}

#[test]
fn a_reply_that_came_before_the_idle_is_replayed_at_once() {
    let large = format!(r#"{{"status":"error","x":"{}"}}"#, "x".repeat(70_000));
    let made = r#"{"status":"error","execution_count":7,"ename":"","evalue":"","traceback":[]}"#;
    for (reply, content) in [(r#"{"status":"ok"}"#, r#"{"status":"ok"}"#), (&*large, made)] {
        let mut journal = journal(UNLIMITED, &["p"]);
        begin(&mut journal);
        feed_on(&mut journal, "shell", &[("execute_reply", "p", reply)], 0.0);
        let shown = replayed(&mut journal, 1);
        assert_eq!(types(&shown), ["clear_output", "execute_reply"]);
        assert_eq!(shown[1].2, content);
    }
}

#[test]
fn a_reply_that_never_came_or_is_large_is_made_from_what_is_known() {
    let error = r#"{"ename":"E\"","evalue":"v","traceback":["t"]}"#;
    let large = format!(r#"{{"status":"ok","execution_count":7,"x":"{}"}}"#, "x".repeat(70_000));
    let ok = r#"{"status":"ok","execution_count":7,"payload":[],"user_expressions":{}}"#;
    for (events, content) in [
        (vec![], ok),
        (vec![("shell", "execute_reply", &*large)], ok),
        (
            vec![("iopub", "error", error)],
            r#"{"status":"error","execution_count":7,"ename":"E\"","evalue":"v","traceback":["t"]}"#,
        ),
    ] {
        let mut journal = journal(UNLIMITED, &["p"]);
        begin(&mut journal);
        for (channel, msg_type, content) in events {
            feed_on(&mut journal, channel, &[(msg_type, "p", content)], 0.0);
        }
        feed(&mut journal, &[("status", "p", IDLE)]);
        let shown = replayed(&mut journal, 1);
        assert_eq!(shown[shown.len() - 2].2, content);
    }
}

#[test]
fn what_was_aborted_or_lost_ends_as_aborted() {
    let mut aborted = journal(UNLIMITED, &["p"]);
    feed(&mut aborted, &[("status", "p", IDLE)]);
    let mut lost = journal(UNLIMITED, &["p"]);
    begin(&mut lost);
    lost.process_ended(0.0);
    for journal in [&mut aborted, &mut lost] {
        let shown = replayed(journal, 1);
        assert_eq!(types(&shown), ["clear_output", "execute_reply", "status"]);
        assert_eq!(shown[1].2, r#"{"status":"aborted"}"#);
    }
}

#[test]
fn missing_output_is_counted_to_the_byte() {
    let mut journal = journal(Config { text: 100, ..UNLIMITED }, &["p"]);
    for _ in 0..10 {
        feed(&mut journal, &[("stream", "p", &text(&"z".repeat(40)))]);
    }
    let shown = replayed(&mut journal, 1);
    let notices: Vec<_> = shown.iter().filter(|(.., content)| content.contains(" and ")).collect();
    assert_eq!(notices.len(), 1);
    let numbers: Vec<usize> = notices[0]
        .2
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    let plain: usize = shown
        .iter()
        .filter(|(_, msg_type, content)| msg_type == "stream" && !content.contains(" and "))
        .map(|(.., content)| content.matches('z').count())
        .sum();
    assert!(0 < plain && plain <= 100);
    assert_eq!(numbers[1], 400 - plain);
}

#[test]
fn an_outbox_counts_and_limits_a_replay_as_other_output() {
    use crate::client_wire::Protocol;
    use crate::flow::config;
    let mut journal = journal(UNLIMITED, &["p"]);
    for _ in 0..10 {
        feed(&mut journal, &[("stream", "p", &text(&"z".repeat(40)))]);
        feed(&mut journal, &[("display_data", "p", &display("d", "x"))]);
    }
    let config = config::Config {
        backlog_limit: 100,
        ..config::Config::UNLIMITED
    };
    let mut outbox = Outbox::new(Protocol::Legacy, config);
    outbox.detach(true);
    let execution = journal.get(1).unwrap();
    let made = replay(execution, VOICE);
    outbox.append_replay(made.messages, &made.id, &made.parent);
    let stats = outbox.stats();
    assert_eq!(stats.cursors.appended, 21, "ten texts, ten displays and a clear_output");
    assert!(stats.text <= 100);
    assert!(outbox.drop_oldest_display());
}

#[test]
fn only_the_text_of_the_log_is_text_that_an_outbox_may_cut() {
    let mut journal = journal(UNLIMITED, &["p"]);
    begin(&mut journal);
    feed(&mut journal, &[("stream", "p", &text("abc"))]);
    journal.append_own(1, answer("own"));
    let entries = journal.with(1, |execution| {
        execution.log.end();
        replay(execution, VOICE).messages
    });
    let streams = entries.unwrap().into_iter().filter(|entry| {
        let header = transcode::decode(entry).unwrap().parts.swap_remove(0);
        json::member(&header, b"msg_type") == Some(br#""stream""#)
    });
    let found: Vec<(Kind, u64)> = streams.map(|entry| (entry.kind, entry.text)).collect();
    assert_eq!(found, [(Kind::Stream, 3), (Kind::Plain, 0)]);
}

use super::*;
use crate::client_wire::Protocol;
use crate::executions::execution::State;
use crate::executions::testing::{
    IDLE, Reader, UNLIMITED, answer, answer_bytes, display, execution, feed, feed_as, feed_batch, feed_on, finish,
    journal, left_out, read_of, request, shown, submit, updated,
};
use crate::flow::testing::{Line, batch, batch_of_parents, text};
use crate::kernel_wire::frames::FramesBuilder;
use crate::kernel_wire::signature::Signer;
use crate::reader::wide;
use crate::receiver::Receiver;

impl Journal {
    pub(in crate::executions) fn displays(&self) -> &Displays {
        &self.displays
    }

    /// Counts everything anew: the sums must be exact, and the indexes must have what the executions have.
    pub fn check(&self) {
        for (number, execution) in self.iter() {
            let log = &execution.log;
            assert_eq!(log.memory(), log.counted_anew(), "execution {number}");
            assert_eq!(self.number(&execution.request.id), Some(number));
        }
        assert_eq!(
            self.logs,
            self.iter().map(|(_, execution)| execution.memory()).sum::<u64>()
        );
        assert_eq!(self.numbers.len(), self.executions.len());
        let with_cell = self.iter().filter(|(_, execution)| execution.request.cell_id.is_some());
        assert_eq!(self.cells.len(), with_cell.count());
        self.comms.check();
        self.displays
            .check(|(number, seq)| self.get(number).is_some_and(|execution| execution.log.has(seq)));
    }
}

/// An `input_request` that the kernel sends with the id `m`.
const PROMPT: &str = r#"{"prompt":"? ","password":false}"#;

fn ask(journal: &mut Journal, parent: &str) {
    feed_on(journal, "stdin", &[("input_request", parent, PROMPT)], 0.0);
}

#[test]
fn an_id_is_known_once() {
    let mut journal = journal(UNLIMITED, &["p"]);
    assert!(!submit(&mut journal, "p", Some("cell"), 1.0));
    finish(&mut journal, "p", 1.0);
    assert!(
        !submit(&mut journal, "p", None, 1.0),
        "its output would have two places"
    );
    assert_eq!((journal.newest(), journal.iter().count()), (1, 1));
    assert!(journal.remove(1) && !journal.remove(1));
    assert!(submit(&mut journal, "p", None, 1.0));
    assert_eq!(journal.number("p"), Some(2));
}

#[test]
fn executions_are_listed_newest_first() {
    let journal = journal(UNLIMITED, &["p", "q", "r"]);
    let ids: Vec<&str> = journal.iter().map(|(_, execution)| &*execution.request.id).collect();
    assert_eq!(ids, ["r", "q", "p"]);
}

#[test]
fn messages_of_other_parents_or_of_none_change_nothing() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let memory = journal.memory();
    let lines = [
        ("stream", "q", &text("a")[..]),
        ("status", "q", IDLE),
        ("clear_output", "", "{}"),
    ];
    assert!(feed(&mut journal, &lines).is_empty());
    for parent in [
        "{}",
        "",
        "null",
        "[]",
        "not json",
        r#"{"msg_id":7}"#,
        r#"{"msg_id":null}"#,
        r#"{"session":"p"}"#,
    ] {
        let batch = batch_of_parents("iopub", &[("stream", parent, &text("a")), ("status", parent, IDLE)]);
        assert!(feed_batch(&mut journal, &batch, 0.0).is_empty());
    }
    assert_eq!(
        (journal.memory(), execution(&journal, 1).state),
        (memory, State::Queued)
    );
}

#[test]
fn a_message_without_fields_changes_nothing() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let mut frames = FramesBuilder::default();
    for part in ["<IDS|MSG>", "", "not json", "not json", "", ""] {
        frames.copy(part.as_bytes());
    }
    frames.end_message();
    let signer = Signer::new(b"", "hmac-sha256").unwrap();
    let batch = Receiver::new(signer, 0, false, false).process("iopub", frames.finish());
    assert_eq!(batch.messages().len(), 1);
    assert!(feed_batch(&mut journal, &batch, 0.0).is_empty());
}

#[test]
fn each_type_counts_on_its_own_channel_only() {
    let lines: [Line<'_>; 6] = [
        ("stream", "p", "{}"),
        ("status", "p", IDLE),
        ("execute_input", "p", "{}"),
        ("clear_output", "p", "{}"),
        ("execute_reply", "p", r#"{"status":"error"}"#),
        ("input_request", "p", PROMPT),
    ];
    for channel in ["control", "Iopub", "IOPUB", "sub", "req", ""] {
        let mut journal = journal(UNLIMITED, &["p"]);
        let memory = journal.memory();
        assert_eq!(feed_on(&mut journal, channel, &lines, 0.0), [1]);
        assert_eq!(
            (journal.memory(), execution(&journal, 1).state),
            (memory, State::Queued),
            "{channel}"
        );
    }
}

#[test]
fn a_batch_may_be_of_many_executions_and_each_is_reported_once() {
    let ids: Vec<String> = (0..10).map(|id| id.to_string()).collect();
    let mut journal = journal(UNLIMITED, &ids.iter().map(|id| &id[..]).collect::<Vec<_>>());
    let text = text("a");
    let lines: Vec<Line<'_>> = (0..1000).map(|n| ("stream", &ids[n * 7 % 10][..], &text[..])).collect();
    assert_eq!(feed(&mut journal, &lines), (1..=10).collect::<Vec<u64>>());
    for number in 1..=10 {
        assert_eq!(
            shown(&mut journal, number),
            [crate::flow::testing::text(&"a".repeat(100))]
        );
    }
}

#[test]
fn a_prompt_waits_until_it_is_answered_or_its_execution_ends() {
    let mut journal = journal(UNLIMITED, &["p", "q"]);
    feed(&mut journal, &[("stream", "p", &text("a"))]);
    ask(&mut journal, "p");
    assert_eq!((journal.waits_at("m"), journal.waits_at("n")), (Some(1), None));
    let prompt = journal.take_prompt(1, answer("? 7")).unwrap();
    assert_eq!((&*prompt.id, &prompt.content[..]), ("m", PROMPT.as_bytes()));
    assert!(prompt.header.starts_with(b"{\"msg_id\":\"m\""));
    assert_eq!(
        journal.take_prompt(1, answer("? 8")),
        None,
        "a second answer would feed the next prompt"
    );
    assert_eq!(journal.take_prompt(9, answer("? 8")), None);
    assert_eq!(
        shown(&mut journal, 1),
        [&text("a")[..], r#"{"name":"stdin","text":"? 7"}"#]
    );
    ask(&mut journal, "p");
    ask(&mut journal, "q");
    finish(&mut journal, "p", 1.0);
    assert_eq!(journal.waits_at("m"), Some(2));
    ask(&mut journal, "p");
    assert_eq!(execution(&journal, 1).prompt, None, "it is over");
    assert_eq!(journal.process_ended(2.0), [2]);
    assert_eq!((journal.waits_at("m"), journal.process_ended(3.0)), (None, vec![]));
    journal.check();
}

#[test]
fn an_answer_is_output_like_any_other() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let mut reader = Reader::default();
    feed(&mut journal, &[("stream", "p", &text("a"))]);
    reader.follow(&mut journal, 1);
    feed(&mut journal, &[("clear_output", "p", r#"{"wait":true}"#)]);
    ask(&mut journal, "p");
    journal.take_prompt(1, answer("? 7"));
    journal.check();
    reader.follow(&mut journal, 1);
    assert_eq!(
        reader.contents(),
        [r#"{"name":"stdin","text":"? 7"}"#],
        "a clear that waits is due"
    );
    journal.with(1, |execution| while execution.log.drop_one(0) {});
    assert_eq!(
        left_out(&read_of(&mut journal, 1, 0, u64::MAX)),
        (1, answer_bytes("? 7"))
    );
}

#[test]
fn output_after_the_end_is_kept_too() {
    let mut journal = journal(UNLIMITED, &["p"]);
    finish(&mut journal, "p", 1.0);
    assert_eq!(feed(&mut journal, &[("stream", "p", &text("a"))]), [1]);
    assert_eq!(shown(&mut journal, 1), [text("a")]);
    journal.process_ended(2.0);
    assert_eq!(execution(&journal, 1).state, State::Done);
}

#[test]
fn a_malformed_content_is_kept_as_it_is_and_means_nothing() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let odd = ["", "[]", "nul", "{\"transient\"", r#"{"transient":[]}"#, "\u{0}"];
    for content in odd {
        for msg_type in [
            "display_data",
            "execute_result",
            "error",
            "clear_output",
            "execute_input",
            "update_display_data",
        ] {
            feed(&mut journal, &[(msg_type, "p", content)]);
        }
        assert!(
            shown(&mut journal, 1).is_empty(),
            "a malformed clear_output does not wait"
        );
        feed(&mut journal, &[("display_data", "p", content)]);
        assert_eq!(shown(&mut journal, 1), [content]);
    }
}

#[test]
fn nothing_is_left_of_what_was_removed() {
    let mut journal = Journal::default();
    for round in 0..3 {
        let ids: Vec<String> = (0..50).map(|id| format!("{round} {id}")).collect();
        for (id, owner) in ids.iter().zip([None, Some("user")].iter().cycle()) {
            assert!(journal.submit(request(id, Some("cell")), *owner, "session", 0.0));
            let shown = display(id, "1");
            let lines = [
                ("stream", &id[..], &text("a")[..]),
                ("display_data", id, &shown),
                ("update_display_data", id, &shown),
            ];
            feed(&mut journal, &lines);
            ask(&mut journal, id);
        }
        for number in journal.iter().map(|(number, _)| number).collect::<Vec<_>>() {
            read_of(&mut journal, number, 0, u64::MAX);
            assert!(journal.remove(number));
            journal.check();
        }
        assert_eq!((journal.memory(), journal.is_empty()), (0, true));
    }
}

#[test]
fn the_subprotocol_of_the_frames_does_not_show() {
    let (one, two) = (display("d", "1"), display("d", "2"));
    let lines: [Line<'_>; 5] = [
        ("stream", "p", &text("a")),
        ("stream", "p", &text("b")),
        ("display_data", "p", &one),
        ("error", "p", "{}"),
        ("stream", "p", &text(&"x".repeat(70_000))),
    ];
    for protocols in [
        [Protocol::Legacy; 2],
        [Protocol::Legacy, Protocol::V1],
        [Protocol::V1, Protocol::Legacy],
    ] {
        let mut journal = journal(UNLIMITED, &["p"]);
        let mut reader = Reader::default();
        for protocol in protocols {
            feed_as(&mut journal, &batch("iopub", &lines), protocol, 0.0);
            feed_as(
                &mut journal,
                &batch("iopub", &[("update_display_data", "p", &two)]),
                protocol,
                0.0,
            );
            reader.follow(&mut journal, 1);
        }
        let new = updated("d", "2");
        let expected = [&text("ab")[..], &new, "{}", lines[4].2];
        assert_eq!(reader.contents(), [expected, expected].concat());
        journal.with(1, |execution| while execution.log.drop_one(0) {});
        assert_eq!(read_of(&mut journal, 1, 0, u64::MAX).left_out.messages, 10);
    }
}

#[test]
fn bytes_that_are_not_utf_8_count_as_the_kernel_wrote_them() {
    for (protocol, size) in [(Protocol::V1, 100), (Protocol::Legacy, 100), (Protocol::Legacy, 70_000)] {
        let mut journal = journal(UNLIMITED, &["p"]);
        let content = [&b"{\"name\":\"stdout\",\"text\":\""[..], &b"\xff".repeat(size), b"\"}"].concat();
        let mut frames = FramesBuilder::default();
        for part in [
            &b"<IDS|MSG>"[..],
            b"",
            br#"{"msg_id":"m","msg_type":"stream"}"#,
            br#"{"msg_id":"p"}"#,
            b"{}",
            &content,
        ] {
            frames.copy(part);
        }
        frames.end_message();
        let signer = Signer::new(b"", "hmac-sha256").unwrap();
        let batch = Receiver::new(signer, 0, false, true).process("iopub", frames.finish());
        feed_as(&mut journal, &batch, protocol, 0.0);
        assert_eq!(left_out(&read_of(&mut journal, 1, 0, u64::MAX)), (0, 0));
        journal.with(1, |execution| while execution.log.drop_one(0) {});
        assert_eq!(left_out(&read_of(&mut journal, 1, 0, u64::MAX)), (1, wide(size)));
    }
}

#[test]
fn a_message_of_the_server_is_output_and_what_is_forgotten_was_counted() {
    let mut journal = journal(UNLIMITED, &["over", "open", "other"]);
    finish(&mut journal, "over", 1.0);
    let frame = Frame::own(crate::client_wire::websocket::Opcode::Binary, b"x");
    let open = journal.number("open").unwrap();
    let before = journal.get(open).unwrap().log.newest();
    journal.append_own(open, frame.clone());
    journal.append_own(99, frame);
    journal.check();
    assert!(journal.get(open).unwrap().log.newest() > before);
    journal.process_ended(2.0);
    assert_eq!(journal.finished().ends, [0, 0, 1, 2]);
    journal.remove(open);
    assert_eq!(journal.finished().ends, [0, 0, 1, 2], "what is forgotten was counted");
}

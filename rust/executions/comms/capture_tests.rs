//! What Output widgets capture.

use serde_json::{Value, json};

use super::tests::{Plain, change};
use super::*;
use crate::executions::execution::Status;
use crate::executions::journal::Journal;
use crate::executions::read::output_of;
use crate::executions::testing::{BUSY, IDLE, UNLIMITED, feed, feed_on, journal, request, shown};
use crate::flow::testing::{Line, text};

const OUTPUT: &str = r#"{"_model_name":"OutputModel","msg_id":"","outputs":[]}"#;

/// A comm message of the kernel, with the execution `p` as parent.
fn comm<'a>(msg_type: &'a str, content: &'a str) -> Line<'a> {
    (msg_type, "p", content)
}

fn with_output() -> Journal {
    let mut journal = journal(UNLIMITED, &["p"]);
    let open = format!(r#"{{"comm_id":"out","target_name":"jupyter.widget","data":{{"state":{OUTPUT}}}}}"#);
    feed(&mut journal, &[("status", "p", BUSY), comm("comm_open", &open)]);
    journal
}

fn capturing(request: &str) -> String {
    format!(r#"{{"comm_id":"out","data":{{"method":"update","state":{{"msg_id":"{request}"}}}}}}"#)
}

/// The contents of what the widget has captured.
fn captured(journal: &mut Journal) -> Vec<String> {
    journal.comms.end_logs();
    let comms = journal.comms.of(&Owner::All);
    let log = comms.iter().find_map(|comm| comm.captured.as_ref());
    let outputs = log.iter().flat_map(|log| log.slots(0)).filter_map(output_of);
    outputs
        .map(|output| String::from_utf8(output.content.to_vec()).unwrap())
        .collect()
}

/// The JSON of its `outputs`.
fn base(journal: &Journal) -> Value {
    Plain::of(journal.comms.of(&Owner::All)[0].written(|key| key == "outputs")).values["outputs"].clone()
}

#[test]
fn what_an_output_widget_captures_is_not_output_of_the_cell() {
    let mut journal = with_output();
    let (begin, end) = (capturing("p"), capturing(""));
    feed(
        &mut journal,
        &[
            ("stream", "p", &text("a")),
            comm("comm_msg", &begin),
            ("stream", "p", &text("b")),
            ("error", "p", r#"{"ename":"E"}"#),
            ("stream", "other", &text("x")),
            ("stream", "p", &text("c")),
            comm("comm_msg", &end),
            ("stream", "p", &text("d")),
            ("status", "p", IDLE),
        ],
    );
    journal.comms.check();
    assert_eq!(
        captured(&mut journal),
        [text("b"), r#"{"ename":"E"}"#.to_owned(), text("c")]
    );
    assert_eq!(shown(&mut journal, 1), [text("ad")]);
    assert!(!journal.comms.capture());
    let status = journal.get(1).unwrap().status();
    assert_eq!(status, Some(Status::Aborted), "the error was not the cell's");
}

#[test]
fn the_widget_that_began_last_captures() {
    let mut journal = with_output();
    let other = format!(r#"{{"comm_id":"in","target_name":"jupyter.widget","data":{{"state":{OUTPUT}}}}}"#);
    feed(&mut journal, &[comm("comm_open", &other)]);
    let inner = capturing("p").replace("\"out\"", "\"in\"");
    let end = capturing("").replace("\"out\"", "\"in\"");
    feed(
        &mut journal,
        &[comm("comm_msg", &capturing("p")), comm("comm_msg", &inner)],
    );
    feed(&mut journal, &[("stream", "p", &text("inner"))]);
    feed(&mut journal, &[comm("comm_msg", &end), ("stream", "p", &text("outer"))]);
    let of = |journal: &Journal, id: &str| {
        let comms = journal.comms.of(&Owner::All);
        comms
            .iter()
            .find(|comm| &*comm.id == id)
            .unwrap()
            .captured
            .as_ref()
            .unwrap()
            .appended()
            .bytes
    };
    assert_eq!((of(&journal, "in"), of(&journal, "out")), (5, 5));
    let close = r#"{"comm_id":"out"}"#;
    feed(
        &mut journal,
        &[comm("comm_close", close), ("stream", "p", &text("cell"))],
    );
    journal.comms.check();
    assert_eq!(shown(&mut journal, 1), [text("cell")]);
}

#[test]
fn a_clear_clears_what_the_kernel_has_set_too() {
    let mut journal = with_output();
    let set =
        r#"{"comm_id":"out","data":{"method":"update","state":{"msg_id":"p","outputs":[{"output_type":"stream"}]}}}"#;
    for (clears, after) in [(r#"{"wait":false}"#, 0), (r#"{"wait":true}"#, 1)] {
        feed(
            &mut journal,
            &[
                comm("comm_msg", set),
                ("stream", "p", &text("a")),
                ("clear_output", "p", clears),
            ],
        );
        assert_eq!(base(&journal).as_array().unwrap().len(), after, "{clears}");
        feed(&mut journal, &[("stream", "p", &text("b"))]);
        assert_eq!(base(&journal), json!([]));
        assert_eq!(captured(&mut journal), [text("b")]);
        journal.comms.check();
    }
    assert_eq!(
        shown(&mut journal, 1),
        [""; 0],
        "the cell's output is not cleared, and there is none"
    );
}

#[test]
fn only_the_outputs_that_the_kernel_has_set_replace_what_was_captured() {
    let mut journal = with_output();
    feed(
        &mut journal,
        &[comm("comm_msg", &capturing("p")), ("stream", "p", &text("a"))],
    );
    let copy = change("out", "update", r#"{"outputs":[1]}"#);
    journal.take_sent(copy, None, "page");
    let state = r#""state":{"_model_name":"OutputModel","msg_id":"p","outputs":[2]}"#;
    for data in [
        r#""method":"echo_update","state":{"outputs":[1]}"#.to_owned(),
        format!(r#""method":"update",{state}"#),
    ] {
        let content = format!(r#"{{"comm_id":"out","data":{{{data}}}}}"#);
        feed(&mut journal, &[comm("comm_msg", &content)]);
        assert_eq!(
            (base(&journal), captured(&mut journal)),
            (json!([]), vec![text("a")]),
            "{data}"
        );
    }
    let set = r#"{"comm_id":"out","data":{"method":"update","state":{"outputs":[3]}}}"#;
    feed(&mut journal, &[comm("comm_msg", set)]);
    assert_eq!((base(&journal), captured(&mut journal)), (json!([3]), Vec::new()));
    journal.comms.check();
}

#[test]
fn another_users_output_is_not_captured() {
    let mut journal = journal(UNLIMITED, &[]);
    let open = format!(r#"{{"comm_id":"out","target_name":"jupyter.widget","data":{{"state":{OUTPUT}}}}}"#);
    for (id, user) in [("p", "ada"), ("q", "bob")] {
        let request = request(id, None);
        assert!(journal.submit(request, Some(user), user, 0.0));
        journal.note_request(Some(user), user);
    }
    feed(
        &mut journal,
        &[comm("comm_open", &open), comm("comm_msg", &capturing("q"))],
    );
    feed(&mut journal, &[("stream", "q", &text("bob's"))]);
    assert_eq!(shown(&mut journal, 2), [text("bob's")]);
    let comms = journal.comms.of(&Owner::User("ada".into()));
    assert!(comms[0].captured.is_none());
}

#[test]
fn the_widgets_end_with_the_process_and_what_they_take_counts() {
    let mut journal = with_output();
    let without = journal.memory();
    feed(
        &mut journal,
        &[comm("comm_msg", &capturing("p")), ("stream", "p", &text("a"))],
    );
    assert!(journal.memory() > without);
    journal.process_ended(1.0);
    assert_eq!((journal.comms.memory(), journal.comms.capture()), (0, false));
    feed_on(&mut journal, "shell", &[comm("comm_open", "{}")], 0.0);
    assert_eq!(journal.comms.memory(), 0, "comm messages are on IOPub");
}

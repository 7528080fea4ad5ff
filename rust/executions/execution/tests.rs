//! Passes the events of an execution in every order.

use super::*;
use crate::executions::journal::Journal;
use crate::executions::testing::{BUSY, IDLE, UNLIMITED, execution, feed_on, journal, request};

/// What a kernel says of an execution: channel, type, content.
type Event = (&'static str, &'static str, &'static str);

const BEGINS: Event = ("iopub", "status", BUSY);
const ENDS: Event = ("iopub", "status", IDLE);
const INPUT: Event = ("iopub", "execute_input", r#"{"code":"1","execution_count":7}"#);
const ERROR: Event = ("iopub", "error", "{}");
const GONE: Event = ("", "", "");

fn pass(journal: &mut Journal, events: &[Event]) {
    for (now, (channel, msg_type, content)) in (1_u32..).zip(events) {
        if channel.is_empty() {
            journal.process_ended(f64::from(now));
        } else {
            feed_on(journal, channel, &[(msg_type, "p", content)], f64::from(now));
        }
        journal.check();
    }
}

fn after(events: &[Event]) -> Journal {
    let mut journal = journal(UNLIMITED, &["p"]);
    pass(&mut journal, events);
    journal
}

fn orders(events: &[Event]) -> Vec<Vec<Event>> {
    if events.is_empty() {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for at in 0..events.len() {
        let mut rest = events.to_vec();
        let first = rest.remove(at);
        all.extend(orders(&rest).into_iter().map(|rest| [vec![first], rest].concat()));
    }
    all
}

fn reply(status: &'static str) -> Event {
    let content = match status {
        "ok" => r#"{"status":"ok","execution_count":7}"#,
        "error" => r#"{"status":"error","execution_count":7}"#,
        _ => r#"{"status":"aborted"}"#,
    };
    ("shell", "execute_reply", content)
}

#[test]
fn the_reply_decides_the_status_in_every_order() {
    for (name, status) in [
        ("ok", Status::Ok),
        ("error", Status::Error),
        ("aborted", Status::Aborted),
    ] {
        for events in orders(&[BEGINS, INPUT, ERROR, reply(name), ENDS]) {
            let journal = after(&events);
            let execution = execution(&journal, 1);
            assert_eq!(
                (execution.state, execution.status()),
                (State::Done, Some(status)),
                "{events:?}"
            );
            assert_eq!(execution.count, Some(7), "{events:?}");
        }
    }
}

#[test]
fn without_a_reply_the_status_is_what_was_seen() {
    for (seen, status) in [
        (&[BEGINS, ENDS][..], Status::Aborted),
        (&[ENDS], Status::Aborted),
        (&[INPUT, ENDS], Status::Ok),
        (&[BEGINS, INPUT, ENDS], Status::Ok),
        (&[BEGINS, INPUT, ERROR, ENDS], Status::Error),
    ] {
        for events in orders(seen) {
            let journal = after(&events);
            assert_eq!(execution(&journal, 1).status(), Some(status), "{events:?}");
        }
    }
}

#[test]
fn only_an_idle_or_the_end_of_the_process_ends_an_execution_and_the_first_counts() {
    for events in orders(&[BEGINS, INPUT, reply("ok"), ENDS, GONE]) {
        let place = |event: Event| events.iter().position(|each| *each == event).unwrap();
        let (ends, gone) = (place(ENDS), place(GONE));
        let first = ends.min(gone);
        for cut in 0..=events.len() {
            let journal = after(&events[..cut]);
            let execution = execution(&journal, 1);
            let began = events[..cut.min(first)]
                .iter()
                .any(|each| [BEGINS, INPUT].contains(each));
            let state = match (cut > first, began) {
                (true, _) if ends < gone => State::Done,
                (true, _) => State::Lost,
                (false, true) => State::Running,
                (false, false) => State::Queued,
            };
            assert_eq!(execution.state, state, "{events:?} {cut}");
            assert_eq!(execution.status().is_some(), state == State::Done);
        }
    }
}

#[test]
fn times_are_those_of_the_first_begin_and_the_first_end() {
    let journal = after(&[INPUT, BEGINS, ENDS, BEGINS, GONE, ENDS]);
    assert_eq!(execution(&journal, 1).times, [Some(0.0), Some(1.0), Some(3.0)]);
    let journal = after(&[reply("aborted"), ENDS]);
    assert_eq!(execution(&journal, 1).times, [Some(0.0), None, Some(2.0)]);
}

#[test]
fn a_status_that_is_neither_busy_nor_idle_changes_nothing() {
    for content in [
        r#"{"execution_state":"starting"}"#,
        r#"{"execution_state":7}"#,
        "{}",
        "not json",
    ] {
        let journal = after(&[("iopub", "status", content), ("shell", "status", IDLE)]);
        assert_eq!(execution(&journal, 1).state, State::Queued, "{content}");
    }
}

#[test]
fn a_malformed_reply_or_input_decides_nothing() {
    for content in [
        "",
        "[]",
        "{",
        r#"{"status":7,"execution_count":"1"}"#,
        r#"{"status":"good","execution_count":-1}"#,
    ] {
        let journal = after(&[
            ("iopub", "execute_input", content),
            ("shell", "execute_reply", content),
            ENDS,
        ]);
        let execution = execution(&journal, 1);
        assert_eq!(
            (execution.status(), execution.count),
            (Some(Status::Ok), None),
            "{content}"
        );
    }
    let late = after(&[reply("error"), ("shell", "execute_reply", "{}"), ENDS]);
    assert_eq!(execution(&late, 1).status(), Some(Status::Error));
}

#[test]
fn a_count_in_the_input_goes_before_that_in_the_reply() {
    let other = ("shell", "execute_reply", r#"{"status":"ok","execution_count":9}"#);
    for events in orders(&[INPUT, other]) {
        assert_eq!(execution(&after(&events), 1).count, Some(7));
    }
    assert_eq!(execution(&after(&[other]), 1).count, Some(9));
    let huge = (
        "iopub",
        "execute_input",
        r#"{"execution_count":99999999999999999999999}"#,
    );
    assert_eq!(execution(&after(&[huge]), 1).count, None);
}

#[test]
fn kernels_of_protocol_4_have_other_names() {
    let journal = after(&[
        ("iopub", "pyin", r#"{"code":"1","execution_count":3}"#),
        ("iopub", "pyout", r#"{"execution_count":3,"data":{},"metadata":{}}"#),
        ("iopub", "pyerr", "{}"),
        ("shell", "execute_reply", r#"{"status":"abort"}"#),
        ENDS,
    ]);
    let execution = execution(&journal, 1);
    assert_eq!((execution.count, execution.status()), (Some(3), Some(Status::Aborted)));
    assert_eq!(execution.log.slots(0).count(), 2);
}

#[test]
fn names_are_those_of_the_http_interface() {
    let states = [State::Queued, State::Running, State::Done, State::Lost].map(State::name);
    assert_eq!(states, ["queued", "running", "done", "lost"]);
    assert_eq!(
        [Status::Ok, Status::Error, Status::Aborted].map(Status::name),
        ["ok", "error", "aborted"]
    );
}

#[test]
fn the_memory_grows_by_what_it_keeps_of_a_request_and_its_answers() {
    let memory = |id: usize, cell: usize, session: usize, owner: usize, prompt: usize, reply: usize| {
        let (mut journal, long) = (journal(UNLIMITED, &[]), |len| "x".repeat(len));
        let request = request(&long(id), Some(&long(cell)));
        journal.submit(request, Some(&long(owner)), &long(session), 0.0);
        let prompt = format!(r#"{{"prompt":"{}"}}"#, long(prompt));
        let reply = format!(r#"{{"status":"ok","x":"{}"}}"#, long(reply));
        feed_on(&mut journal, "stdin", &[("input_request", &long(id), &prompt)], 0.0);
        feed_on(&mut journal, "shell", &[("execute_reply", &long(id), &reply)], 0.0);
        execution(&journal, 1).memory()
    };
    let few = memory(5, 5, 5, 5, 5, 5);
    assert!(few > 1000, "its entries in the indexes");
    // The reply's parent_header names the id too
    assert_eq!(memory(55, 5, 5, 5, 5, 5) - few, 2 * 50 + 50);
    assert_eq!(memory(5, 55, 5, 5, 5, 5) - few, 2 * 50);
    assert_eq!(memory(5, 5, 55, 5, 5, 5) - few, 50);
    assert_eq!(memory(5, 5, 5, 55, 5, 5) - few, 50);
    assert_eq!(memory(5, 5, 5, 5, 55, 5) - few, 50);
    assert_eq!(memory(5, 5, 5, 5, 5, 55) - few, 50);
    assert_eq!(memory(5, 5, 5, 5, 5, 10_005) - few, 10_000);
    assert!(memory(5, 5, 5, 5, 5, 70_000) < few, "too large a reply is not kept");
}

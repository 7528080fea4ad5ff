//! What is dropped when the memory is full, and that the memory is counted as it is.

use std::sync::Arc;

use super::*;
use crate::client_wire::Protocol;
use crate::executions::displays::Displays;
use crate::executions::execution::State;
use crate::executions::testing::{
    Reader, UNLIMITED, answer, display, execution, feed, feed_batch, feed_on, finish, ids, journal, left_out, read_of,
    shown, submit, updated,
};
use crate::flow::entry::{Count, Item};
use crate::flow::testing::{Line, batch, batch_of_parents, encoded, text};
use crate::reader::wide;

const LIMIT: u64 = 1_000_000;

const SMALL: Config = Config {
    memory: LIMIT,
    ..UNLIMITED
};

/// Checks that neither what is counted nor the buffers that are kept in memory are over the limit by more than a tenth.
pub(super) fn assert_within(journal: &Journal, limit: u64) {
    assert!(journal.memory() <= limit, "{} of {limit}", journal.memory());
    let kept: u64 = journal.iter().map(|(_, execution)| execution.log.kept_alive()).sum();
    assert!(kept <= limit + limit / 10, "{kept} kept alive, of {limit}");
}

#[test]
fn the_memory_is_within_its_limit_at_all_sizes_of_messages() {
    for (size, count) in [
        (10, 4000),
        (100, 4000),
        (1000, 2000),
        (60_000, 40),
        (300_000, 10),
        (4_000_000, 2),
    ] {
        for msg_type in ["stream", "display_data", "error", "both"] {
            for batch in [1, 10, 100] {
                if batch <= count {
                    fill(msg_type, size, count / batch, batch);
                }
            }
        }
    }
}

/// Passes `rounds` batches of `together` messages to a journal with a running execution.
fn fill(msg_type: &str, size: usize, rounds: usize, together: usize) {
    let mut journal = journal(SMALL, &["p"]);
    let filler = "x".repeat(size);
    let texts = ["stdout", "stderr"].map(|name| format!(r#"{{"name":"{name}","text":"{filler}"}}"#));
    let other = format!(r#"{{"data":"{filler}"}}"#);
    let line = |n: usize| match msg_type {
        "both" if n.is_multiple_of(3) => ("display_data", "p", &other[..]),
        "stream" | "both" => ("stream", "p", &texts[n % 2][..]),
        _ => (msg_type, "p", &other[..]),
    };
    let lines: Vec<Line<'_>> = (0..together).map(line).collect();
    for _ in 0..rounds {
        let batch = batch("iopub", &lines);
        let encoded = encoded(&batch, Protocol::V1);
        journal.append(&encoded, 0.0);
        assert!(journal.memory() <= LIMIT);
    }
    assert_within(&journal, LIMIT);
    journal.check();
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    let streams = lines.iter().filter(|line| line.0 == "stream").count() * rounds;
    let others = lines.len() * rounds - streams;
    let bytes = wide(streams * size) + wide(others) * wide(other.len());
    let mut kept = (0, 0);
    for slot in execution(&journal, 1).log.slots(0) {
        if let Item::Message(entry) = &slot.item {
            let mut entry = entry.clone();
            let count = Count::measured(&mut entry);
            kept = (kept.0 + count.messages, kept.1 + count.bytes);
        }
    }
    let appended = (read.left_out.messages + kept.0, read.left_out.bytes + kept.1);
    assert_eq!(
        appended,
        (wide(streams + others), bytes),
        "{msg_type} {size} {together}"
    );
}

#[test]
fn text_that_takes_more_than_half_of_the_memory_is_cut_in_the_middle_before_displays_are_dropped() {
    let mut journal = journal(SMALL, &["p"]);
    let large = format!(r#"{{"data":"{}"}}"#, "x".repeat(20_000));
    for n in 0..4000 {
        let name = ["stdout", "stderr"][n % 2];
        let text = format!(r#"{{"name":"{name}","text":"{n:06}"}}"#);
        feed(&mut journal, &[("stream", "p", &text)]);
        if n % 20 == 0 {
            feed(&mut journal, &[("display_data", "p", &large)]);
        }
    }
    assert_within(&journal, LIMIT);
    let shown = shown(&mut journal, 1);
    assert!(
        shown[0].contains("000000") && shown.last().unwrap().contains("003999"),
        "the oldest and the newest"
    );
    let texts = shown.iter().filter(|content| content.contains("text")).count();
    let displays = shown.iter().filter(|content| content.contains("data")).count();
    assert!(texts > 1000 && displays > 5, "{texts} texts, {displays} displays");
}

#[test]
fn new_text_is_kept_after_displays_have_filled_the_memory() {
    let mut journal = journal(Config { text: 100_000, ..SMALL }, &["p"]);
    let large = format!(r#"{{"data":"{}"}}"#, "x".repeat(100_000));
    for _ in 0..10 {
        feed(
            &mut journal,
            &[("stream", "p", &text(&"a".repeat(9000))), ("display_data", "p", &large)],
        );
    }
    for _ in 0..10 {
        feed(
            &mut journal,
            &[("stream", "p", &text(&"b".repeat(9000))), ("display_data", "p", &large)],
        );
    }
    let shown = shown(&mut journal, 1).concat();
    let count = |letter| shown.matches(letter).count();
    assert!(
        count('a') >= 45_000 && count('b') >= 45_000,
        "half of the text is old, half is new"
    );
}

#[test]
fn one_result_or_error_larger_than_the_limit_is_dropped_and_counted() {
    for msg_type in ["execute_result", "error", "display_data", "stream"] {
        for finished in [false, true] {
            let mut journal = journal(SMALL, &["p"]);
            let content = match msg_type {
                "stream" => text(&"x".repeat(2_000_000)),
                _ => format!(r#"{{"data":"{}"}}"#, "x".repeat(2_000_000)),
            };
            if finished {
                finish(&mut journal, "p", 1.0);
            }
            feed(
                &mut journal,
                &[
                    ("execute_input", "p", "{}"),
                    (msg_type, "p", &content),
                    ("error", "p", "1"),
                ],
            );
            assert_within(&journal, LIMIT);
            let bytes = if msg_type == "stream" {
                2_000_000
            } else {
                wide(content.len())
            };
            let read = read_of(&mut journal, 1, 0, u64::MAX);
            assert_eq!((read.pieces.len(), left_out(&read)), (2, (1, bytes)), "{msg_type}");
        }
    }
}

#[test]
fn text_that_is_still_open_is_dropped_with_a_gap_too() {
    let mut journal = journal(SMALL, &["p"]);
    for _ in 0..30 {
        feed(&mut journal, &[("stream", "p", &text(&"x".repeat(1000)))]);
    }
    let memory = journal.memory() - 1000;
    journal.configure(Config { memory, ..UNLIMITED });
    assert_eq!(execution(&journal, 1).log.slots(0).count(), 1, "the gap");
    assert_eq!(left_out(&read_of(&mut journal, 1, 0, u64::MAX)), (30, 30_000));
}

#[test]
fn large_ids_parents_and_prompts_are_within_the_limit() {
    let mut journal = journal(SMALL, &[]);
    let huge = "h".repeat(100_000);
    for n in 0..40 {
        let id = format!("{n}{}", "i".repeat(1000));
        if !submit(&mut journal, &id, Some(&"c".repeat(1000)), 0.0) {
            assert!(journal.iter().all(|(_, execution)| !execution.state.is_over()));
            break;
        }
        let parent = format!(r#"{{"msg_id":"{id}","x":"{huge}"}}"#);
        let shown = display(&format!("{n}{huge}"), "1");
        let lines = [
            ("stream", &parent[..], &text("a")[..]),
            ("display_data", &parent, &shown),
            ("update_display_data", &parent, &shown),
        ];
        take(&mut journal, "iopub", &lines);
        take(
            &mut journal,
            "stdin",
            &[("input_request", &parent, &format!(r#"{{"prompt":"{huge}"}}"#))],
        );
        assert_within(&journal, LIMIT);
        let number = journal.number(&id).unwrap();
        journal.take_prompt(number, answer(&huge));
        assert_within(&journal, LIMIT);
        take(
            &mut journal,
            "stdin",
            &[("input_request", &parent, &format!(r#"{{"prompt":"{huge}"}}"#))],
        );
        assert_within(&journal, LIMIT);
    }
    assert_eq!(journal.iter().count(), 40);
}

/// Passes messages with whole parent_headers.
fn take(journal: &mut Journal, channel: &str, lines: &[Line<'_>]) {
    feed_batch(journal, &batch_of_parents(channel, lines), 0.0);
}

#[test]
fn output_then_prompts_of_open_executions_go_whole_if_nothing_else_is_enough() {
    let mut journal = journal(UNLIMITED, &["a", "b", "c"]);
    let prompt = format!(r#"{{"prompt":"{}"}}"#, "?".repeat(10_000));
    for id in ["a", "b", "c"] {
        feed(&mut journal, &[("stream", id, &text(&"x".repeat(10_000)))]);
        feed_on(&mut journal, "stdin", &[("input_request", id, &prompt)], 0.0);
    }
    let state = |journal: &Journal| -> String {
        let one = |(_, execution): (u64, &Execution)| match (execution.log.slots(0).count(), &execution.prompt) {
            (0, None) => '-',
            (0, Some(_)) => '?',
            (_, Some(_)) => 'x',
            (_, None) => 'o',
        };
        journal.iter().map(one).collect::<String>().chars().rev().collect()
    };
    for number in 1..=3 {
        read_of(&mut journal, number, 0, 0);
    }
    let all = journal.memory();
    for (freed, left) in [
        (0, "xxx"),
        (5_000, "?xx"),
        (15_000, "??x"),
        (25_000, "???"),
        (35_000, "-??"),
        (55_000, "---"),
    ] {
        journal.configure(Config {
            memory: all + 100 - freed,
            ..UNLIMITED
        });
        assert_eq!(state(&journal), left, "{freed}");
        journal.check();
    }
    let memory = journal.memory();
    journal.configure(Config { memory, ..UNLIMITED });
    assert!(
        !submit(&mut journal, "d", None, 0.0),
        "there is no room for another one"
    );
    assert_eq!(ids(&journal), ["a", "b", "c"]);
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    assert_eq!(left_out(&read), (1, 10_000));
    assert!(journal.iter().all(|(_, execution)| execution.state == State::Queued));
}

#[test]
fn finished_executions_go_before_output_of_open_ones() {
    let mut journal = journal(SMALL, &[]);
    let large = format!(r#"{{"data":"{}"}}"#, "x".repeat(300_000));
    for id in ["a", "b", "c", "d", "e"] {
        submit(&mut journal, id, None, 0.0);
        feed(&mut journal, &[("display_data", id, &large)]);
        assert_within(&journal, LIMIT);
        if id != "b" {
            finish(&mut journal, id, 1.0);
        }
    }
    assert_eq!(ids(&journal), ["b", "d", "e"]);
    feed(
        &mut journal,
        &[("display_data", "b", &large), ("display_data", "b", &large)],
    );
    assert_eq!(ids(&journal), ["b"]);
    let mut reader = Reader::default();
    reader.follow(&mut journal, 2);
    assert_eq!(reader.contents(), [&large[..]; 3]);
}

#[test]
fn a_place_costs_its_id_and_little_else_and_counts_as_the_journals() {
    let memory = |len: usize| {
        let mut displays = Displays::default();
        displays.add(&Arc::from(vec![b'd'; len]), (1, 1));
        displays.memory()
    };
    assert_eq!(memory(150) - memory(50), 100);
    assert!((100..400).contains(&memory(1)));
    let mut journal = journal(UNLIMITED, &["p"]);
    feed(&mut journal, &[("display_data", "p", &display("d", "1"))]);
    assert_eq!(journal.memory(), execution(&journal, 1).memory() + memory(1));
}

#[test]
fn a_display_that_is_left_has_its_update_although_the_one_before_it_was_dropped() {
    let mut journal = journal(UNLIMITED, &["p"]);
    for id in ["c", "d"] {
        feed(&mut journal, &[("display_data", "p", &display(id, "1"))]);
    }
    let mut reader = Reader::default();
    reader.follow(&mut journal, 1);
    feed(&mut journal, &[("update_display_data", "p", &display("d", "2"))]);
    let dropped = journal.with(1, |execution| execution.log.drop_one(u64::MAX));
    assert_eq!(dropped, Some(true));
    reader.follow(&mut journal, 1);
    assert_eq!(reader.contents().last(), Some(&updated("d", "2")));
}

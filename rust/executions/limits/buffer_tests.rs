//! The buffers that a journal keeps in memory: those of batches, and those in which text is merged.

use std::sync::Arc;

use super::memory_tests::assert_within;
use crate::client_wire::Protocol;
use crate::executions::journal::Config;
use crate::executions::testing::{UNLIMITED, display, execution, feed, finish, journal, submit};
use crate::flow::testing::{Line, batch, encoded, text};
use crate::reader::wide;

#[test]
fn a_small_message_keeps_no_large_buffer_alive() {
    let large = format!(r#"{{"data":"{}"}}"#, "x".repeat(500_000));
    let long = text(&"x".repeat(70_000));
    let (id, new) = (display("d", &"x".repeat(500_000)), display("d", "2"));
    let small: Line<'_> = ("display_data", "p", "{}");
    let a = text("a");
    let batches: [&[Line<'_>]; 7] = [
        &[small, ("display_data", "foreign", &large)],
        &[("stream", "p", &a), ("display_data", "foreign", &large)],
        &[
            ("stream", "p", &a),
            ("stream", "p", &a),
            small,
            ("stream", "q", &long),
            ("stream", "q", &long),
        ],
        &[("display_data", "p", &large), ("clear_output", "p", "{}"), small],
        &[
            ("display_data", "p", &id),
            small,
            ("stream", "p", &a),
            ("update_display_data", "p", &new),
        ],
        &[
            small,
            ("display_data", "p", &id),
            ("stream", "p", &a),
            ("update_display_data", "q", &new),
        ],
        &[
            small,
            ("stream", "p", &long),
            ("stream", "p", &long),
            ("stream", "p", &long),
            ("stream", "p", &a),
        ],
    ];
    for (n, lines) in batches.iter().enumerate() {
        let mut journal = journal(
            Config {
                text: 100_000,
                ..UNLIMITED
            },
            &["p", "q"],
        );
        feed(&mut journal, lines);
        let kept = &execution(&journal, 1).log;
        assert!(
            kept.kept_alive() < kept.memory() + 70_000 && kept.kept_alive() < 73_000,
            "{n}: {}",
            kept.kept_alive()
        );
    }
}

#[test]
fn two_large_messages_of_a_batch_do_not_keep_each_other_alive() {
    for (one, two) in [(500_000, 500_000), (600_000, 400_000), (100_000, 890_000)] {
        let mut journal = journal(UNLIMITED, &["p", "q"]);
        let [one, two] = [one, two].map(|size| text(&"x".repeat(size)));
        feed(&mut journal, &[("stream", "p", &one), ("stream", "q", &two)]);
        assert_within(&journal, journal.memory());
    }
}

#[test]
fn a_message_that_is_its_batch_is_not_copied() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let large = format!(r#"{{"data":"{}"}}"#, "x".repeat(100_000));
    let batch = batch("iopub", &[("display_data", "p", &large), ("status", "p", "{}")]);
    let encoded = encoded(&batch, Protocol::V1);
    journal.append(&encoded, 0.0);
    assert_eq!(execution(&journal, 1).log.kept_alive(), wide(encoded.source().len()));
    assert_eq!(Arc::strong_count(encoded.source()), 2);
}

#[test]
fn the_text_of_finished_executions_takes_the_memory_that_is_counted() {
    let line = text(&"x".repeat(100));
    // 70 KB are a full message and the beginning of another one
    for lines in [1, 17, 66, 170, 300, 700] {
        let mut journal = journal(UNLIMITED, &[]);
        let allocated = allocation_counter::measure(|| {
            for n in 0..20 {
                let id = format!("{n}");
                assert!(submit(&mut journal, &id, None, 0.0));
                let lines = vec![("stream", &id[..], &line[..]); lines];
                feed(&mut journal, &lines);
                finish(&mut journal, &id, 1.0);
            }
        });
        let (allocated, counted) = (allocated.bytes_current, journal.memory().cast_signed());
        assert!(
            allocated <= counted + counted / 10,
            "{lines}: {allocated}, {counted} counted"
        );
    }
}

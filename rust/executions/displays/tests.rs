use super::*;
use crate::executions::journal::{Config, Journal};
use crate::executions::read::Piece;
use crate::executions::testing::{
    Reader, UNLIMITED, contents, display, execution, feed, feed_batch, feed_on, joined, journal, left_out, read_of,
    shown, updated,
};
use crate::flow::entry::{Count, Item};
use crate::flow::testing::{batch_of_parents, batch_with_buffer, text};
use crate::reader::wide;

impl Displays {
    /// Counts everything anew. `is_there`: whether there is a display at a place.
    pub(in crate::executions) fn check(&self, is_there: impl Fn(Place) -> bool) {
        assert!(
            self.ids.keys().all(|place| is_there(*place)),
            "no place is kept longer than its display"
        );
        let places: BTreeSet<_> = self.ids.iter().map(|(place, id)| (Arc::clone(id), *place)).collect();
        assert_eq!(places, self.places);
        assert_eq!(self.memory, self.ids.values().map(|id| upkeep(id)).sum::<u64>());
    }
}

fn with_buffer(journal: &mut Journal, msg_type: &str, content: &str) {
    let line = (msg_type, r#"{"msg_id":"p"}"#, content);
    feed_batch(journal, &batch_with_buffer("iopub", &[line]), 0.0);
}

#[test]
fn an_update_changes_the_display_where_it_is_and_a_reader_gets_it_as_an_update() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let (one, two) = (display("d", "1"), display("d", "2"));
    feed(
        &mut journal,
        &[("display_data", "p", &one), ("stream", "p", &text("a"))],
    );
    let (mut before, mut after) = (Reader::default(), Reader::default());
    before.follow(&mut journal, 1);
    let changed = feed(
        &mut journal,
        &[("update_display_data", "p", &two), ("stream", "p", &text("b"))],
    );
    assert_eq!(changed, [1]);
    let read = read_of(&mut journal, 1, before.since, u64::MAX);
    assert_eq!((read.updates.len(), contents(&read)), (1, vec![text("b")]));
    for reader in [&mut before, &mut after] {
        reader.follow(&mut journal, 1);
        assert_eq!(reader.contents()[0], updated("d", "2"));
        reader.follow(&mut journal, 1);
    }
    assert_eq!(joined(&before.pieces), joined(&after.pieces));
    assert_eq!(read_of(&mut journal, 1, after.since, u64::MAX).updates, []);
    feed(&mut journal, &[("update_display_data", "p", &one)]);
    before.follow(&mut journal, 1);
    assert_eq!(
        read_of(&mut journal, 1, before.since, u64::MAX).updates,
        [],
        "it comes once"
    );
}

#[test]
fn an_update_of_a_display_that_a_reader_has_not_read_is_no_update_for_it() {
    let mut journal = journal(UNLIMITED, &["p"]);
    feed(&mut journal, &[("stream", "p", &text("a"))]);
    let mut reader = Reader::default();
    reader.follow(&mut journal, 1);
    feed(&mut journal, &[("display_data", "p", &display("d", "1"))]);
    feed(&mut journal, &[("update_display_data", "p", &display("d", "2"))]);
    let read = read_of(&mut journal, 1, reader.since, u64::MAX);
    assert_eq!((read.updates.len(), contents(&read)), (0, vec![updated("d", "2")]));
}

#[test]
fn text_is_merged_across_an_update() {
    let mut journal = journal(UNLIMITED, &["p"]);
    feed(&mut journal, &[("display_data", "p", &display("d", "1"))]);
    for _ in 0..100 {
        feed(
            &mut journal,
            &[
                ("stream", "p", &text("a")),
                ("update_display_data", "p", &display("d", "2")),
            ],
        );
    }
    assert_eq!(shown(&mut journal, 1), [updated("d", "2"), text(&"a".repeat(100))]);
}

#[test]
fn a_display_is_found_by_its_slot_also_after_text_that_is_still_open() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let (one, two) = (display("d", "1"), display("e", "1"));
    feed(
        &mut journal,
        &[
            ("stream", "p", &text("a")),
            ("stream", "p", &text("b")),
            ("display_data", "p", &one),
            ("display_data", "p", &two),
            ("stream", "p", &text("c")),
        ],
    );
    feed(&mut journal, &[("update_display_data", "p", &display("e", "2"))]);
    assert_eq!(shown(&mut journal, 1), [text("ab"), one, updated("e", "2"), text("c")]);
}

#[test]
fn an_update_reaches_the_displays_of_all_executions_whoever_sends_it() {
    for parent in ["p", "q", "foreign"] {
        let mut journal = journal(UNLIMITED, &["p", "q"]);
        let (one, two) = (display("d", "1"), display("d", "2"));
        feed(
            &mut journal,
            &[
                ("display_data", "p", &one),
                ("display_data", "q", &one),
                ("display_data", "p", &one),
            ],
        );
        assert_eq!(feed(&mut journal, &[("update_display_data", parent, &two)]), [1, 2]);
        let new = updated("d", "2");
        assert_eq!(shown(&mut journal, 1), [&new[..], &new]);
        assert_eq!(shown(&mut journal, 2), [&new[..]]);
    }
}

#[test]
fn an_update_without_a_parent_reaches_its_display_too() {
    let mut journal = journal(UNLIMITED, &["p"]);
    feed(&mut journal, &[("display_data", "p", &display("d", "1"))]);
    let two = display("d", "2");
    let batch = batch_of_parents("iopub", &[("update_display_data", "{}", &two)]);
    assert_eq!(feed_batch(&mut journal, &batch, 0.0), [1]);
    assert_eq!(shown(&mut journal, 1), [updated("d", "2")]);
}

#[test]
fn only_updates_on_iopub_count() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let one = display("d", "1");
    feed(&mut journal, &[("display_data", "p", &one)]);
    for channel in ["shell", "stdin", "control"] {
        feed_on(
            &mut journal,
            channel,
            &[("update_display_data", "p", &display("d", "2"))],
            0.0,
        );
    }
    assert_eq!(shown(&mut journal, 1), [one]);
}

#[test]
fn an_update_of_a_result_keeps_its_count_and_its_type() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let result = r#"{"data":{"text/plain":"1"},"execution_count":3,"metadata":{},"transient":{"display_id":"d"}}"#;
    feed(&mut journal, &[("execute_result", "p", result)]);
    let update = r#"{"data":{"a":2},"metadata":{"b":1},"transient":{"display_id":"d","x":1},"execution_count":9}"#;
    feed(&mut journal, &[("update_display_data", "p", update)]);
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    let expected = r#"{"execution_count":3,"transient":{"display_id":"d"},"data":{"a":2},"metadata":{"b":1}}"#;
    let Piece::Output(output) = &read.pieces[0] else {
        panic!("a gap")
    };
    assert_eq!(
        (&output.msg_type[..], &output.content[..]),
        ("execute_result", expected.as_bytes())
    );
}

#[test]
fn an_update_that_names_no_display_or_has_no_data_changes_nothing() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let one = display("d", "1");
    feed(
        &mut journal,
        &[("display_data", "p", &one), ("display_data", "p", r#"{"data":{}}"#)],
    );
    let none = r#"{"transient":{"display_id":"d"},"metadata":{}}"#;
    let number = r#"{"transient":{"display_id":7},"data":{}}"#;
    for content in [
        "",
        "[]",
        "not json",
        "{}",
        none,
        number,
        r#"{"transient":7,"data":{}}"#,
        &display("e", "2"),
    ] {
        assert!(feed(&mut journal, &[("update_display_data", "p", content)]).is_empty());
    }
    assert_eq!(shown(&mut journal, 1), [&one[..], r#"{"data":{}}"#]);
    feed(&mut journal, &[("update_display_data", "p", &display("d", "2"))]);
    assert_eq!(shown(&mut journal, 1)[0], updated("d", "2"), "its place is still known");
}

#[test]
fn ids_are_compared_decoded() {
    let mut journal = journal(UNLIMITED, &["p"]);
    feed(&mut journal, &[("display_data", "p", &display(r"\u00e9", "1"))]);
    assert_eq!(
        feed(&mut journal, &[("update_display_data", "p", &display("é", "2"))]),
        [1]
    );
    assert_eq!(shown(&mut journal, 1), [updated(r"\u00e9", "2")], "written as before");
}

#[test]
fn a_display_keeps_its_buffers() {
    let mut journal = journal(UNLIMITED, &["p"]);
    with_buffer(&mut journal, "display_data", &display("d", "1"));
    feed(&mut journal, &[("update_display_data", "p", &display("d", "2"))]);
    let slot = execution(&journal, 1).log.slots(0).next().unwrap();
    let Item::Message(entry) = &slot.item else {
        panic!("no message")
    };
    let parts = transcode::decode(entry).unwrap().parts;
    assert_eq!(
        (&parts[3][..], &parts[4][..]),
        (updated("d", "2").as_bytes(), &b"buffer"[..])
    );
}

#[test]
fn a_display_that_was_cleared_dropped_or_removed_is_not_updated() {
    let (one, two) = (display("d", "1"), display("d", "2"));
    let ends: [fn(&mut Journal); 4] = [
        |journal| {
            feed(journal, &[("clear_output", "p", "{}")]);
        },
        |journal| {
            let clear = ("clear_output", "p", r#"{"wait":true}"#);
            feed(journal, &[clear, ("stream", "p", &text("a"))]);
        },
        |journal| {
            let memory = 3000;
            journal.configure(Config { memory, ..UNLIMITED });
        },
        |journal| assert!(journal.remove(1)),
    ];
    for end in ends {
        let mut journal = journal(UNLIMITED, &["p"]);
        feed(
            &mut journal,
            &[
                ("display_data", "p", &one),
                ("display_data", "p", &format!("{{\"data\":\"{}\"}}", "x".repeat(3000))),
            ],
        );
        end(&mut journal);
        assert_eq!(journal.displays().memory(), 0);
        assert!(feed(&mut journal, &[("update_display_data", "p", &two)]).is_empty());
    }
}

#[test]
fn a_new_display_after_a_clear_is_another_one() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let mut reader = Reader::default();
    for round in 0..20 {
        let clear = ("clear_output", "p", r#"{"wait":true}"#);
        feed(&mut journal, &[clear, ("display_data", "p", &display("d", "new"))]);
        let two = display("d", &round.to_string());
        feed(&mut journal, &[("update_display_data", "p", &two)]);
        if round % 3 == 0 {
            reader.follow(&mut journal, 1);
            assert_eq!(reader.contents(), [updated("d", &round.to_string())]);
        }
    }
}

#[test]
fn counts_are_as_if_a_display_had_had_its_last_size_from_the_start() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let (mut early, mut late) = (Reader::default(), Reader::default());
    feed(&mut journal, &[("display_data", "p", &display("d", "1"))]);
    early.follow(&mut journal, 1);
    feed(&mut journal, &[("display_data", "p", &display("e", "1"))]);
    for size in [1000, 10, 100] {
        let data = "x".repeat(size);
        feed(&mut journal, &[("update_display_data", "p", &display("d", &data))]);
        feed(&mut journal, &[("update_display_data", "p", &display("e", &data))]);
        late.follow(&mut journal, 1);
        assert_eq!(late.left_out, Count::default());
    }
    let bytes = wide(updated("d", &"x".repeat(100)).len());
    journal.with(1, |execution| while execution.log.drop_one(0) {});
    assert_eq!(left_out(&read_of(&mut journal, 1, 0, u64::MAX)), (2, 2 * bytes));
    assert_eq!(left_out(&read_of(&mut journal, 1, early.since, u64::MAX)), (1, bytes));
    assert_eq!(left_out(&read_of(&mut journal, 1, late.since, u64::MAX)), (0, 0));
}

#[test]
fn many_updates_of_many_displays_leave_no_memory_behind() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let ids: Vec<String> = (0..100).map(|id| id.to_string()).collect();
    for id in &ids {
        feed(&mut journal, &[("display_data", "p", &display(id, "1"))]);
    }
    let contents: Vec<String> = ids.iter().map(|id| display(id, "2")).collect();
    let updates: Vec<_> = contents
        .iter()
        .map(|content| ("update_display_data", "p", &content[..]))
        .collect();
    feed(&mut journal, &updates);
    let memory = journal.memory();
    let many = updates.repeat(20);
    for _ in 0..50 {
        feed(&mut journal, &many);
    }
    assert_eq!(journal.memory(), memory);
    let mut reader = Reader::default();
    reader.follow(&mut journal, 1);
    feed(&mut journal, &updates);
    assert_eq!(read_of(&mut journal, 1, reader.since, u64::MAX).updates.len(), 100);
}

#[test]
fn of_very_many_displays_with_one_id_the_newest_are_updated() {
    let mut journal = journal(UNLIMITED, &["p", "q"]);
    let (one, two, other) = (display("d", "1"), display("d", "2"), display("e", "1"));
    feed(&mut journal, &[("display_data", "p", &other)]);
    let lines = [
        vec![("display_data", "p", &one[..]); 60],
        vec![("display_data", "q", &one[..]); 60],
    ]
    .concat();
    feed(&mut journal, &lines);
    feed(
        &mut journal,
        &[
            ("update_display_data", "p", &two),
            ("update_display_data", "p", &display("e", "2")),
        ],
    );
    let expected = [vec![updated("e", "2")], vec![one; 20], vec![updated("d", "2"); 40]].concat();
    assert_eq!(shown(&mut journal, 1), expected);
    assert_eq!(shown(&mut journal, 2), vec![updated("d", "2"); 60]);
}

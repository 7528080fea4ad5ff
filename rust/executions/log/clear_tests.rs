//! `clear_output`, and what goes whole because the memory is full.

use crate::executions::testing::{
    Reader, UNLIMITED, contents, execution, feed, journal, left_out, read_of, say, shown, with_text,
};
use crate::flow::entry::Count;
use crate::flow::testing::text;
use crate::reader::wide;

#[test]
fn a_clear_removes_what_precedes_it_at_once_or_at_the_next_output() {
    for (wait, until_then) in [("false", vec![]), ("true", vec![text("a")]), ("1", vec![])] {
        let mut journal = journal(UNLIMITED, &["p"]);
        let (mut early, mut late) = (Reader::default(), Reader::default());
        say(&mut journal, &["a"]);
        early.follow(&mut journal, 1);
        feed(&mut journal, &[("clear_output", "p", &format!(r#"{{"wait":{wait}}}"#))]);
        feed(&mut journal, &[("status", "p", r#"{"execution_state":"busy"}"#)]);
        late.follow(&mut journal, 1);
        assert_eq!(
            (shown(&mut journal, 1), late.contents()),
            (until_then.clone(), until_then)
        );
        say(&mut journal, &["b", "c"]);
        for reader in [&mut early, &mut late] {
            reader.follow(&mut journal, 1);
            assert_eq!(
                (reader.contents(), reader.left_out),
                (vec![text("bc")], Count::default())
            );
        }
        assert_eq!(early.restarts, 1);
        assert_eq!(shown(&mut journal, 1), [text("bc")]);
    }
}

#[test]
fn a_clear_in_a_batch_counts_only_what_follows_it() {
    let mut journal = journal(with_text(4), &["p"]);
    let clear = ("clear_output", "p", r#"{"wait":true}"#);
    let (a, b) = (text("aaa"), text("bbb"));
    feed(
        &mut journal,
        &[
            ("stream", "p", &a),
            ("stream", "p", &a),
            clear,
            ("stream", "p", &b),
            clear,
        ],
    );
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    assert_eq!((contents(&read), left_out(&read)), (vec![b.clone()], (0, 0)));
    feed(&mut journal, &[("stream", "p", &a), ("stream", "p", &b)]);
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    assert_eq!((contents(&read), left_out(&read)), (vec!["gap".to_owned(), b], (1, 3)));
}

#[test]
fn a_second_clear_replaces_one_that_waits() {
    let mut journal = journal(UNLIMITED, &["p"]);
    say(&mut journal, &["a"]);
    let clears = [("clear_output", "p", r#"{"wait":true}"#), ("clear_output", "p", "{}")];
    feed(&mut journal, &clears);
    assert!(shown(&mut journal, 1).is_empty());
    say(&mut journal, &["b"]);
    say(&mut journal, &["c"]);
    assert_eq!(shown(&mut journal, 1), [text("bc")], "nothing waits any more");
}

#[test]
fn every_clear_restarts_a_reader_that_has_something() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let mut reader = Reader::default();
    for round in 0..10 {
        feed(&mut journal, &[("clear_output", "p", "{}")]);
        reader.follow(&mut journal, 1);
        assert_eq!((reader.contents(), shown(&mut journal, 1)), (vec![], vec![]));
        say(&mut journal, &[&round.to_string()]);
        reader.follow(&mut journal, 1);
        assert_eq!(reader.contents(), [text(&round.to_string())]);
    }
}

#[test]
fn what_is_dropped_at_last_counts_as_missing_for_every_reader() {
    let mut log = journal(UNLIMITED, &["p"]);
    let (mut early, mut late) = (Reader::default(), Reader::default());
    say(&mut log, &["a", "b"]);
    feed(&mut log, &[("display_data", "p", "{}")]);
    early.follow(&mut log, 1);
    feed(&mut log, &[("clear_output", "p", r#"{"wait":true}"#)]);
    assert_eq!(log.with(1, |execution| execution.log.drop_all()), Some(true));
    assert_eq!(log.with(1, |execution| execution.log.drop_all()), Some(false));
    for reader in [&mut early, &mut late] {
        reader.follow(&mut log, 1);
        let bytes = 2 + wide("{}".len());
        assert_eq!(
            (reader.contents(), reader.left_out),
            (vec!["gap".to_owned()], Count { messages: 3, bytes })
        );
    }
    assert_eq!(early.restarts, 1);
    say(&mut log, &["c"]);
    for reader in [&mut early, &mut late] {
        reader.follow(&mut log, 1);
        assert_eq!(
            (reader.contents(), reader.left_out),
            (vec![text("c")], Count::default()),
            "the clear was not lost"
        );
    }
}

#[test]
fn who_has_nothing_or_all_since_the_clear_has_lost_nothing_by_it() {
    let mut journal = journal(UNLIMITED, &["p"]);
    say(&mut journal, &["a"]);
    let before = read_of(&mut journal, 1, 0, u64::MAX).next;
    feed(&mut journal, &[("clear_output", "p", r#"{"wait":false}"#)]);
    let after = read_of(&mut journal, 1, 0, u64::MAX).next;
    let log = &execution(&journal, 1).log;
    assert!(before < after);
    assert_eq!(
        [0, before, after].map(|since| log.was_cleared(since)),
        [false, true, false]
    );
}

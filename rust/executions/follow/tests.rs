use crate::executions::journal::{Config, Journal};
use crate::executions::read::Read;
use crate::executions::testing::{Stepper, UNLIMITED, contents, display, feed, finish, journal, shown, updated};
use crate::flow::entry::Count;
use crate::flow::testing::{Line, text};
use crate::reader::wide;

/// Takes steps of `max_bytes` to the end, and returns how many.
fn steps(stepper: &mut Stepper, journal: &mut Journal, max_bytes: usize) -> usize {
    let mut steps = 1;
    while !stepper.step(journal, 1, max_bytes) {
        steps += 1;
    }
    steps
}

fn has(stepper: &Stepper) -> Vec<String> {
    contents(&Read {
        pieces: stepper.pieces.clone(),
        ..Read::default()
    })
}

fn count(messages: u64, bytes: u64) -> Count {
    Count { messages, bytes }
}

#[test]
fn a_step_has_at_least_one_piece_and_then_as_many_as_fit() {
    let mut journal = journal(UNLIMITED, &["p"]);
    feed(&mut journal, &[("error", "p", "12345"); 10]);
    for (max_bytes, expected) in [(0, 10), (5, 10), (9, 10), (10, 5), (14, 5), (49, 2), (50, 1)] {
        let mut stepper = Stepper::default();
        assert_eq!(steps(&mut stepper, &mut journal, max_bytes), expected, "{max_bytes}");
        assert_eq!(
            (has(&stepper), stepper.missing),
            (vec!["12345".to_owned(); 10], Count::default())
        );
    }
}

#[test]
fn a_reader_that_has_everything_gets_an_empty_step() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let mut stepper = Stepper::default();
    assert!(stepper.step(&mut journal, 1, 10));
    feed(&mut journal, &[("stream", "p", &text("a"))]);
    steps(&mut stepper, &mut journal, 10);
    let before = stepper.since;
    assert!(stepper.step(&mut journal, 1, 10));
    assert_eq!((has(&stepper), stepper.since), (vec![text("a")], before));
}

#[test]
fn every_change_of_an_execution_is_news() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let display = display("d", "1");
    let changes: [Line<'_>; 8] = [
        ("status", "p", r#"{"execution_state":"busy"}"#),
        ("execute_input", "p", r#"{"execution_count":1}"#),
        ("stream", "p", "{}"),
        ("stream", "p", &text("a")),
        ("stream", "p", &text("b")),
        ("display_data", "p", &display),
        ("update_display_data", "p", &display),
        ("clear_output", "p", "{}"),
    ];
    let mut end = 0;
    let mut is_news = |journal: &mut Journal| {
        let before = std::mem::replace(&mut end, journal.with(1, |execution| execution.log.end()).unwrap());
        end > before
    };
    assert!(is_news(&mut journal) && !is_news(&mut journal));
    for change in changes {
        feed(&mut journal, &[change]);
        assert!(is_news(&mut journal) && !is_news(&mut journal), "{change:?}");
    }
    for (channel, msg_type) in [("shell", "execute_reply"), ("stdin", "input_request")] {
        crate::executions::testing::feed_on(&mut journal, channel, &[(msg_type, "p", r#"{"status":"ok"}"#)], 0.0);
        assert!(is_news(&mut journal), "{msg_type}");
    }
    journal.configure(Config {
        memory: 100,
        ..UNLIMITED
    });
    assert!(is_news(&mut journal), "the prompt was dropped");
    finish(&mut journal, "p", 1.0);
    assert!(is_news(&mut journal));
}

#[test]
fn no_update_is_lost_between_steps() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let (one, two, three) = (display("d", "1"), display("d", "2"), display("d", "3"));
    let other = ("error", "p", "12345");
    feed(&mut journal, &[("display_data", "p", &one), other, other, other]);
    let mut stepper = Stepper::default();
    assert!(!stepper.step(&mut journal, 1, one.len()));
    feed(&mut journal, &[("update_display_data", "p", &two), other, other, other]);
    while !stepper.step(&mut journal, 1, 10) {}
    assert_eq!(has(&stepper), shown(&mut journal, 1));
    assert_eq!(has(&stepper)[0], updated("d", "2"));
    feed(&mut journal, &[other, other, ("update_display_data", "p", &three)]);
    assert!(!stepper.step(&mut journal, 1, 10), "the update waits for the next step");
    assert_eq!(has(&stepper)[0], updated("d", "2"));
    assert!(stepper.step(&mut journal, 1, 10));
    assert_eq!(has(&stepper), shown(&mut journal, 1));
}

#[test]
fn updates_are_as_long_as_a_step_may_be() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let ids = ["a", "b", "c", "d"];
    for id in ids {
        feed(&mut journal, &[("display_data", "p", &display(id, "1"))]);
    }
    let mut stepper = Stepper::default();
    steps(&mut stepper, &mut journal, 1 << 20);
    for id in ["d", "a", "c", "b"] {
        feed(&mut journal, &[("update_display_data", "p", &display(id, "2"))]);
    }
    let size = updated("a", "2").len();
    assert_eq!(steps(&mut stepper, &mut journal, 2 * size), 2);
    assert_eq!(has(&stepper), ids.map(|id| updated(id, "2")));
}

#[test]
fn what_was_dropped_is_exact_before_between_and_behind_the_steps() {
    let mut journal = journal(Config { text: 8, ..UNLIMITED }, &["p"]);
    let say = |journal: &mut Journal, texts: &[&str]| {
        for each in texts {
            feed(journal, &[("stream", "p", &text(each)), ("error", "p", "1")]);
        }
    };
    say(&mut journal, &["aaaa", "bb", "cc", "dd"]);
    let mut stepper = Stepper::default();
    assert!(!stepper.step(&mut journal, 1, 1));
    // Not read yet, and dropped: cc, dd. bb is in the gap that is read next
    say(&mut journal, &["ee", "ff"]);
    while !stepper.step(&mut journal, 1, 1) {}
    assert_eq!(stepper.missing, count(3, 6));
    say(&mut journal, &["gg", "hh", "ii"]);
    while !stepper.step(&mut journal, 1, 1) {}
    assert_eq!(stepper.missing, count(4, 8), "gg; ee and ff were read before");
    let mut new = Stepper::default();
    while !new.step(&mut journal, 1, 1) {}
    assert_eq!(new.missing, count(6, 12));
    assert_eq!(new.got, count(18, 20 + 9 * wide("1".len())));
}

#[test]
fn a_clear_begins_anew_in_the_middle_too() {
    let mut journal = journal(UNLIMITED, &["p"]);
    feed(&mut journal, &[("error", "p", "1"); 5]);
    let mut stepper = Stepper::default();
    assert!(!stepper.step(&mut journal, 1, 2));
    feed(&mut journal, &[("clear_output", "p", "{}"), ("error", "p", "2")]);
    assert!(stepper.step(&mut journal, 1, 2));
    assert_eq!(
        (has(&stepper), stepper.missing),
        (vec!["2".to_owned()], Count::default())
    );
    journal.with(1, |execution| execution.log.drop_all());
    assert!(stepper.step(&mut journal, 1, 2));
    assert_eq!((has(&stepper).len(), stepper.missing.messages), (0, 1));
}

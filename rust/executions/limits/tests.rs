use super::*;
use crate::executions::testing::{UNLIMITED, finish, ids, journal, request, submit};

#[test]
fn the_oldest_finished_execution_goes_first_and_open_ones_stay() {
    let mut journal = journal(
        Config {
            executions: 3,
            ..UNLIMITED
        },
        &["a", "b", "c"],
    );
    assert!(!submit(&mut journal, "d", None, 1.0), "all are open");
    finish(&mut journal, "c", 1.0);
    finish(&mut journal, "b", 2.0);
    assert!(submit(&mut journal, "d", None, 3.0));
    assert_eq!(ids(&journal), ["a", "c", "d"]);
    assert!(submit(&mut journal, "e", None, 3.0));
    assert_eq!(ids(&journal), ["a", "d", "e"]);
    assert!(!submit(&mut journal, "f", None, 3.0));
    finish(&mut journal, "a", 4.0);
    finish(&mut journal, "e", 4.0);
    journal.configure(Config {
        executions: 2,
        ..UNLIMITED
    });
    assert_eq!(ids(&journal), ["d", "e"]);
    journal.configure(Config {
        executions: 0,
        ..UNLIMITED
    });
    assert_eq!(ids(&journal), ["d"]);
    assert!(!journal.forget_oldest() && !submit(&mut journal, "g", None, 5.0));
    journal.check();
}

#[test]
fn finished_executions_end_when_they_are_too_old() {
    let mut journal = journal(Config { age: 10.0, ..UNLIMITED }, &["a", "b", "c"]);
    finish(&mut journal, "b", 5.0);
    finish(&mut journal, "a", 7.0);
    for (now, left) in [(6.0, 3), (15.0, 3), (15.5, 2), (14.0, 2), (17.5, 1), (1e9, 1)] {
        journal.forget_old(now);
        assert_eq!(journal.iter().count(), left, "{now}");
    }
    finish(&mut journal, "c", 1e9);
    assert!(submit(&mut journal, "d", None, 1e9 + 11.0));
    assert_eq!(ids(&journal), ["d"], "also by a request");
    finish(&mut journal, "d", 2e9);
    journal.forget_old(2e9 + 5.0);
    assert_eq!(ids(&journal), ["d"]);
    journal.configure(Config { age: 1.0, ..UNLIMITED });
    journal.forget_old(2e9 + 5.0);
    assert!(journal.is_empty(), "a new limit counts at once");
}

#[test]
fn times_that_are_not_finite_or_run_backwards_do_no_harm() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0];
    for age in odd {
        let mut journal = journal(Config { age, ..UNLIMITED }, &[]);
        for (number, now) in odd.iter().chain(&odd).enumerate() {
            let id = number.to_string();
            submit(&mut journal, &id, None, *now);
            finish(&mut journal, &id, *now);
            journal.forget_old(*now);
            journal.check();
        }
    }
}

#[test]
fn a_cell_that_is_run_again_ends_its_finished_executions_of_the_same_user() {
    let mut journal = Journal::default();
    let run =
        |journal: &mut Journal, id: &str, owner| assert!(journal.submit(request(id, Some("cell")), owner, "", 0.0));
    run(&mut journal, "open", None);
    run(&mut journal, "done", None);
    run(&mut journal, "other user", Some("u"));
    assert!(submit(&mut journal, "other cell", Some("cell2"), 0.0));
    assert!(submit(&mut journal, "no cell", None, 0.0));
    for id in ["done", "other user", "other cell", "no cell"] {
        finish(&mut journal, id, 0.0);
    }
    run(&mut journal, "again", None);
    journal.check();
    assert_eq!(ids(&journal), ["open", "other user", "other cell", "no cell", "again"]);
    finish(&mut journal, "open", 0.0);
    run(&mut journal, "and again", Some("u"));
    assert_eq!(ids(&journal), ["open", "other cell", "no cell", "again", "and again"]);
    assert!(!journal.submit(request("again", Some("cell")), None, "", 0.0));
    assert_eq!(journal.number("open"), Some(1), "a request that is known ends nothing");
}

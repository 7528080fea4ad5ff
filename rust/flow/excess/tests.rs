use super::*;
use crate::client_wire::Protocol;
use crate::flow::config::Config;
use crate::flow::testing::{MERGING, append, append_on, take, text};

const LIMIT: u64 = 100_000;

fn outbox() -> Outbox {
    let limited = Config {
        memory_limit: LIMIT,
        high_water: 10_000,
        ..MERGING
    };
    Outbox::new(Protocol::V1, limited)
}

/// A display of more than the limit.
fn large() -> String {
    format!(r#"{{"data":"{}"}}"#, "x".repeat(200_000))
}

#[test]
fn a_message_that_alone_exceeds_the_limit_does_not_count_while_it_is_next_or_sent() {
    for channel in ["iopub", "shell"] {
        let mut outbox = outbox();
        append_on(&mut outbox, channel, &[("display_data", "p", &large())], 0.0);
        for _ in 0..2 {
            assert!(outbox.memory() > 200_000);
            assert!(outbox.limited_memory() < 1000, "{}", outbox.limited_memory());
            take(&mut outbox, 0.0);
        }
        append(&mut outbox, &[("display_data", "p", &large())], 1.0);
        assert!(outbox.limited_memory() < 1000, "one is sent, and the other one is next");
        append(&mut outbox, &[("display_data", "p", &large())], 2.0);
        let beyond = if channel == "iopub" { 200_000 } else { 0 };
        take(&mut outbox, 2.0);
        assert!(outbox.limited_memory().abs_diff(beyond) < 1000, "each lane sends one");
        outbox.detach(false);
        assert!(
            outbox.limited_memory() > 200_000,
            "without a client the second one counts"
        );
    }
}

#[test]
fn it_may_be_behind_a_few_that_wait_but_not_behind_many() {
    for (ahead, counts) in [(15, false), (16, true)] {
        let mut outbox = outbox();
        outbox.detach(false);
        append(&mut outbox, &vec![("display_data", "p", "{}"); ahead], 0.0);
        append(&mut outbox, &[("display_data", "p", &large())], 0.0);
        assert_eq!(outbox.limited_memory() > 200_000, counts);
    }
}

#[test]
fn messages_within_the_limit_count_all() {
    let mut outbox = outbox();
    let content = format!(r#"{{"data":"{}"}}"#, "x".repeat(90_000));
    append(&mut outbox, &[("display_data", "p", &content[..]); 3], 0.0);
    assert_eq!(outbox.limited_memory(), outbox.memory());
    take(&mut outbox, 0.0);
    assert_eq!(outbox.limited_memory(), outbox.memory());
    assert!(outbox.memory() > 2 * LIMIT);
}

#[test]
fn text_that_may_still_grow_is_the_next_message_too() {
    let mut outbox = outbox();
    outbox.detach(false);
    outbox.configure(Config {
        memory_limit: 10_000,
        ..MERGING
    });
    for _ in 0..3 {
        append(&mut outbox, &[("stream", "p", &text(&"x".repeat(5000)))], 0.0);
    }
    assert!(outbox.iopub.open.is_some() && outbox.memory() > 15_000);
    assert!(outbox.limited_memory() < 1000, "{}", outbox.limited_memory());
}

#[test]
fn what_is_next_on_the_disk_makes_no_exception_for_what_is_behind_it() {
    let mut outbox = outbox();
    outbox.detach(false);
    append(&mut outbox, &[("display_data", "p", "{}"); 3], 0.0);
    let (block, _) = outbox.spill(1).unwrap();
    outbox.iopub.front.pop_front();
    append(&mut outbox, &[("display_data", "p", &large())], 1.0);
    assert!(outbox.limited_memory() > 200_000);
    assert!(outbox.written(block));
}

use bytes::Bytes;

use super::tests::{detached, left, spill_all};
use crate::client_wire::websocket::Opcode;
use crate::flow::config::Config;
use crate::flow::testing::{append, assert_balanced, notice_of, text};

#[test]
fn gaps_are_spilled_and_restored() {
    let mut outbox = detached(Config {
        backlog_limit: 8,
        ..Config::UNLIMITED
    });
    for each in ["aaaa", "bb", "cccc", "dd"] {
        append(&mut outbox, &[("stream", "p", &text(each)), ("error", "p", "0")], 0.0);
    }
    let blocks = spill_all(&mut outbox, 1);
    append(&mut outbox, &[("stream", "p", &text("eeee"))], 0.0);
    let gap = |count: &str| format!(r#"Detached {count} of {{"msg_id":"p"}}"#);
    assert_eq!(
        left(&mut outbox, &blocks),
        [
            &text("aaaa")[..],
            "0",
            &gap("2 6"),
            "0",
            "0",
            &text("dd"),
            "0",
            &gap("1 4")
        ]
    );
}

#[test]
fn a_block_that_is_lost_is_a_gap() {
    let mut outbox = detached(Config::UNLIMITED);
    for each in ["a", "b", "c", "d"] {
        append(
            &mut outbox,
            &[("stream", "p", &text(each)), ("stream", "q", &text(each))],
            0.0,
        );
    }
    let blocks = spill_all(&mut outbox, 1);
    assert_eq!(blocks.len(), 7);
    assert!(outbox.lost(blocks[1].0) && !outbox.lost(blocks[1].0) && !outbox.lost(99));
    // Its bytes are wrong, which is detected when it is read
    let cut = blocks[0].1.slice(..blocks[0].1.len() - 1);
    assert!(!outbox.restore(blocks[2].0, &blocks[2].1), "it is not next");
    assert!(!outbox.restore(blocks[0].0, &cut));
    let gaps = ["q", "p"].map(|parent| format!(r#"Lost 1 1 of {{"msg_id":"{parent}"}}"#));
    let expected = [
        &text("a")[..],
        &gaps[0],
        &gaps[1],
        &text("b"),
        &text("c"),
        &text("c"),
        &text("d"),
        &text("d"),
    ];
    assert_eq!(left(&mut outbox, &blocks), expected);
    assert_eq!(
        (
            outbox.stats().waiting,
            outbox.stats().disk,
            outbox.stats().left_out[4].messages
        ),
        (0, 0, 2)
    );
}

#[test]
fn a_gap_of_displays_counts_on_while_one_of_text_is_on_the_disk() {
    let mut outbox = detached(Config {
        backlog_limit: 2,
        ..Config::UNLIMITED
    });
    for each in ["a", "b", "c"] {
        append(&mut outbox, &[("stream", "p", &text(each)), ("error", "p", "0")], 0.0);
    }
    append(&mut outbox, &[("display_data", "p", "{}"); 2], 0.0);
    assert!(outbox.drop_oldest_display());
    let blocks = [(); 2].map(|()| outbox.spill(1).unwrap());
    let blocks = blocks.map(|(id, block)| (id, Bytes::from(block.concat())));
    assert!(blocks.iter().all(|(id, _)| outbox.written(*id)));
    assert!(outbox.drop_oldest_display());
    let out = left(&mut outbox, &blocks);
    let gaps: Vec<&String> = out.iter().filter(|content| content.contains(" of ")).collect();
    assert!(gaps[0].starts_with("Detached 1 1 of"), "{gaps:?}");
    assert!(gaps[1].starts_with("Full 2 "), "{gaps:?}");
    assert_eq!(gaps.len(), 2);
}

#[test]
fn an_announcement_in_a_lost_block_is_counted() {
    let mut outbox = detached(Config::UNLIMITED);
    append(&mut outbox, &[("error", "p", &"1".repeat(2000))], 0.0);
    outbox.announce(Opcode::Binary, &notice_of("restarting"));
    append(&mut outbox, &[("error", "p", "1")], 0.0);
    let (id, _) = outbox.spill(2000).unwrap();
    assert!(outbox.written(id) && outbox.lost(id));
    assert_balanced(&outbox);
}

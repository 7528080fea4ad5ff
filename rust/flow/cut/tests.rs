use super::*;
use crate::client_wire::Protocol;
use crate::flow::config::Config;
use crate::flow::entry::Reason;
use crate::flow::outbox::Outbox;
use crate::flow::testing::{HELD, Line, MERGING, append, take, text, wake_at};

const CUT: Config = Config {
    backlog_limit: 8,
    ..Config::UNLIMITED
};

/// An outbox without a client.
fn detached(config: Config) -> Outbox {
    let mut outbox = Outbox::new(Protocol::V1, config);
    outbox.detach(false);
    outbox
}

fn left(outbox: &mut Outbox) -> Vec<String> {
    outbox.attach(Protocol::V1);
    let mut out = take(outbox, 0.0);
    out.extend(take(outbox, 1.0));
    out
}

fn streams(outbox: &mut Outbox, parent: &str, texts: &[&str]) {
    for each in texts {
        append(outbox, &[("stream", parent, &text(each))], 0.0);
    }
}

fn left_out(outbox: &Outbox, reason: Reason) -> (u64, u64) {
    let index = Reason::ALL.iter().position(|each| *each == reason).unwrap();
    let count = outbox.stats().left_out[index];
    (count.messages, count.bytes)
}

#[test]
fn the_middle_of_the_text_is_dropped_and_both_ends_are_kept() {
    let mut outbox = detached(CUT);
    streams(&mut outbox, "p", &["aa", "bb", "ccc", "d", "ee", "ff"]);
    assert_eq!(outbox.stats().text, 8);
    let gap = r#"Detached 2 4 of {"msg_id":"p"}"#;
    assert_eq!(
        left(&mut outbox),
        [&text("aa")[..], &text("bb"), gap, &text("ee"), &text("ff")]
    );
    assert_eq!(left_out(&outbox, Reason::Detached), (2, 4));
}

#[test]
fn other_messages_than_text_stay_in_their_places() {
    let mut outbox = detached(CUT);
    let other: Line<'_> = ("status", "p", "{}");
    for each in ["aaaa", "bb", "cc", "dd", "ee"] {
        append(&mut outbox, &[("stream", "p", &text(each)), other], 0.0);
    }
    let gap = r#"Detached 2 4 of {"msg_id":"p"}"#;
    assert_eq!(
        left(&mut outbox),
        [
            &text("aaaa")[..],
            "{}",
            gap,
            "{}",
            "{}",
            &text("dd"),
            "{}",
            &text("ee"),
            "{}"
        ]
    );
}

#[test]
fn a_gap_has_one_notice_for_each_parent() {
    let mut outbox = detached(CUT);
    streams(&mut outbox, "p", &["aaaa"]);
    for _ in 0..3 {
        streams(&mut outbox, "p", &["bb"]);
        streams(&mut outbox, "q", &[r"\n"]);
    }
    streams(&mut outbox, "q", &["cc"]);
    let gaps = [r#"Detached 3 6 of {"msg_id":"p"}"#, r#"Detached 2 4 of {"msg_id":"q"}"#];
    assert_eq!(
        left(&mut outbox),
        [&text("aaaa")[..], gaps[0], gaps[1], &text(r"\n"), &text("cc")]
    );
}

#[test]
fn text_and_gaps_do_not_alternate_while_the_head_leaves() {
    let mut outbox = Outbox::new(Protocol::V1, CUT);
    outbox.configure(Config { high_water: 0, ..CUT });
    streams(&mut outbox, "p", &["x"]);
    assert_eq!(take(&mut outbox, 0.0), [text("x")]);
    streams(&mut outbox, "p", &["aa", "bb", "cc", "dd", "ee", "ff"]);
    assert_eq!(wake_at(&mut outbox, 0.0), None);
    let mut out = Vec::new();
    for each in ["gg", "hh", "ii"] {
        outbox.acknowledge_all();
        out.extend(take(&mut outbox, 0.0));
        streams(&mut outbox, "p", &[each]);
    }
    let gap = r#"SlowClient 2 4 of {"msg_id":"p"}"#;
    assert_eq!(out, [&text("aa")[..], &text("bb"), gap]);
    outbox.configure(Config::UNLIMITED);
    assert_eq!(
        take(&mut outbox, 0.0),
        ["ee", "ff", "gg", "hh", "ii"].map(text),
        "all other text is complete"
    );
}

#[test]
fn a_merged_message_counts_as_all_its_messages() {
    let mut outbox = detached(Config {
        backlog_limit: 12,
        ..MERGING
    });
    streams(&mut outbox, "p", &["aa"; 20]);
    assert_eq!(
        left(&mut outbox),
        [
            &text("aaaaaa")[..],
            r#"Detached 15 30 of {"msg_id":"p"}"#,
            &text("aaaa")
        ]
    );
}

#[test]
fn text_that_can_be_sent_is_not_dropped() {
    let mut outbox = Outbox::new(Protocol::V1, CUT);
    streams(&mut outbox, "p", &["a text that is longer than the limit"]);
    assert_eq!(take(&mut outbox, 0.0).len(), 1);
    assert_eq!(outbox.stats().left_out, [Count::default(); Reason::ALL.len()]);
}

#[test]
fn the_reason_of_a_gap_is_that_of_its_first_dropped_message() {
    let mut outbox = Outbox::new(
        Protocol::V1,
        Config {
            backlog_limit: 8,
            ..HELD
        },
    );
    append(&mut outbox, &[("error", "p", "1"), ("error", "p", "2")], 0.0);
    streams(&mut outbox, "p", &["aaaa", "bbbb", "cccc"]);
    assert_eq!(take(&mut outbox, 0.0), ["1", "2"]);
    assert_eq!(wake_at(&mut outbox, 0.0), Some(1.0));
    assert_eq!(left_out(&outbox, Reason::Rate), (1, 4));
    outbox.detach(false);
    streams(&mut outbox, "p", &["dddd"]);
    assert_eq!(left_out(&outbox, Reason::Detached), (1, 4));
}

#[test]
fn a_large_text_is_counted_to_the_byte() {
    let mut outbox = detached(CUT);
    let large = "x".repeat(100_000);
    for protocol in [Protocol::V1, Protocol::Legacy] {
        outbox.attach(protocol);
        outbox.detach(false);
        streams(&mut outbox, "p", &[&large]);
    }
    assert_eq!(left_out(&outbox, Reason::Detached), (2, 200_000));
}

#[test]
fn text_that_was_written_before_is_not_dropped() {
    let mut outbox = Outbox::new(Protocol::V1, Config::UNLIMITED);
    streams(&mut outbox, "p", &["aaaa", "bbbb", "cccc", "dddd"]);
    assert_eq!(take(&mut outbox, 0.0).len(), 4);
    outbox.detach(false);
    outbox.configure(CUT);
    streams(&mut outbox, "p", &["ee"]);
    assert_eq!((outbox.stats().text, outbox.stats().replay), (2, 4));
    assert_eq!(left(&mut outbox), ["aaaa", "bbbb", "cccc", "dddd", "ee"].map(text));
}

#[test]
fn the_oldest_displays_are_dropped_and_nothing_else() {
    let mut outbox = detached(Config::UNLIMITED);
    let lines = [
        ("status", "p", "0"),
        ("display_data", "p", "11"),
        ("status", "p", "2"),
        ("update_display_data", "p", "333"),
        ("display_data", "q", "4"),
        ("stream", "q", "5"),
        ("display_data", "q", "6"),
    ];
    append(&mut outbox, &lines, 0.0);
    let memory = outbox.memory();
    for _ in 0..3 {
        assert!(outbox.drop_oldest_display());
    }
    assert!(outbox.memory() < memory);
    let payload = |msg_type: &str, content: &str| {
        let header = format!(r#"{{"msg_id":"m","msg_type":"{msg_type}"}}"#);
        8 * 7 + ["iopub", &header, r#"{"msg_id":"p"}"#, "{}", content].concat().len()
    };
    let bytes = payload("display_data", "11") + payload("update_display_data", "333");
    let gaps = [
        format!(r#"Full 2 {bytes} of {{"msg_id":"p"}}"#),
        format!(r#"Full 1 {} of {{"msg_id":"q"}}"#, payload("display_data", "4")),
    ];
    assert_eq!(left_out(&outbox, Reason::Full).0, 3);
    assert_eq!(left(&mut outbox), ["0", &gaps[0], "2", &gaps[1], "5", "6"]);
    assert!(!outbox.drop_oldest_display());
}

#[test]
fn a_display_that_is_still_open_is_dropped_too() {
    let mut outbox = detached(MERGING);
    let one = crate::flow::testing::update("a", 1);
    append(
        &mut outbox,
        &[("update_display_data", "p", &one), ("update_display_data", "p", &one)],
        0.0,
    );
    assert!(outbox.drop_oldest_display());
    assert!(!outbox.drop_oldest_display());
    assert_eq!(left_out(&outbox, Reason::Full).0, 2);
}

#[test]
fn many_dropped_displays_leave_no_memory_behind() {
    let mut outbox = detached(Config::UNLIMITED);
    append(&mut outbox, &[("status", "p", "0")], 0.0);
    for _ in 0..100 {
        append(&mut outbox, &[("display_data", "p", "1"); 100], 0.0);
    }
    while outbox.drop_oldest_display() {}
    assert_eq!(left_out(&outbox, Reason::Full).0, 10_000);
    assert!(outbox.memory() < 100_000, "{}", outbox.memory());
    assert_eq!(left(&mut outbox).len(), 2);
}

/// The bytes of all sources that the queued messages keep in memory.
fn kept(outbox: &mut Outbox) -> usize {
    outbox.attach(Protocol::V1);
    std::iter::from_fn(|| outbox.iopub.pop())
        .map(|entry| entry.frame.source().len())
        .sum()
}

#[test]
fn a_small_message_does_not_keep_a_large_neighbour_alive() {
    let large = "x".repeat(50_000);
    let status = ("status", "p", "{}");
    let content = text(&large);
    let mut outbox = detached(CUT);
    append(&mut outbox, &[status, ("stream", "p", &content), status], 0.0);
    assert_eq!(left_out(&outbox, Reason::Detached), (1, 50_000));
    assert!((100..1_000).contains(&kept(&mut outbox)));
    let mut outbox = detached(CUT);
    append(&mut outbox, &[status, ("display_data", "p", &large), status], 0.0);
    assert!(outbox.drop_oldest_display());
    // The first message is before the gap; `kept` stops at the gap
    assert!((100..1_000).contains(&kept(&mut outbox)));
    append(&mut outbox, &[status, ("display_data", "p", &large), status], 0.0);
    assert!(outbox.drop_oldest_display());
    assert!((100..1_000).contains(&kept(&mut outbox)));
}

#[test]
fn none_of_several_small_messages_keeps_a_large_neighbour_alive() {
    let large = "x".repeat(50_000);
    let status = ("status", "p", "{}");
    for left_out in [("stream", "p", &text(&large)[..]), ("display_data", "p", &large)] {
        let mut outbox = detached(CUT);
        append(&mut outbox, &[status, status, status, left_out, status, status], 0.0);
        assert_eq!(outbox.drop_oldest_display(), left_out.0 == "display_data");
        let zones = outbox.iopub.zones();
        let slots = zones
            .iter()
            .flat_map(|zone| (0..zone.len()).filter_map(|index| zone.get(index)));
        let alive = slots.map(|slot| match &slot.item {
            Item::Message(entry) => entry.frame.source().len(),
            Item::Gap(_) | Item::Hole => 0,
        });
        let alive: Vec<usize> = alive.collect();
        assert_eq!(alive.len(), 6);
        assert!(alive.iter().all(|bytes| *bytes < 200), "{alive:?}");
    }
}

#[test]
fn a_small_message_does_not_keep_many_others_alive() {
    let mut outbox = detached(CUT);
    let content = text("aaaa");
    streams(&mut outbox, "p", &["aaaa", "bbbb"]);
    let mut lines = vec![("stream", "p", &content[..]); 300];
    lines.push(("status", "p", "{}"));
    for _ in 0..10 {
        append(&mut outbox, &lines, 0.0);
        assert!(!outbox.iopub.middle.is_empty());
    }
    streams(&mut outbox, "p", &["cccc"]);
    let middle = &outbox.iopub.middle;
    let alive = (0..middle.len()).filter_map(|index| match &middle.get(index)?.item {
        Item::Message(entry) => Some(entry.frame.source().len()),
        _ => None,
    });
    assert!((1_000..3_000).contains(&alive.sum::<usize>()));
}

#[test]
fn without_a_limit_text_is_dropped_only_by_drop_text() {
    let mut outbox = detached(Config::UNLIMITED);
    streams(&mut outbox, "p", &["aa", "bb", "cc", "dd"]);
    let all = outbox.iopub.sums().stream;
    outbox.config.memory_limit = 2 * all;
    assert!(!outbox.drop_text(), "it takes half of the memory, and not more");
    // Half of it is less than all text, and a quarter is more than one message
    outbox.config.memory_limit = all * 3 / 2;
    assert!(outbox.drop_text());
    assert_eq!(
        left(&mut outbox),
        [
            &text("aa")[..],
            r#"Full 1 2 of {"msg_id":"p"}"#,
            &text("cc"),
            &text("dd")
        ]
    );
    assert!(!outbox.drop_text());
}

#[test]
fn under_a_lower_limit_the_oldest_text_stays_and_new_text_is_dropped_at_once() {
    let config = |backlog_limit| Config {
        backlog_limit,
        ..MERGING
    };
    let mut outbox = detached(config(16));
    for parent in ["p", "q", "p", "q", "p"] {
        streams(&mut outbox, parent, &["aaaa"]);
    }
    assert_eq!(outbox.stats().text, 16);
    outbox.configure(config(8));
    streams(&mut outbox, "r", &["b"]);
    assert_eq!(outbox.stats().text, 8);
    assert_eq!(left_out(&outbox, Reason::Detached), (4, 13));
}

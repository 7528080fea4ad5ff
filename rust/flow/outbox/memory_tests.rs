use std::sync::Arc;

use super::*;
use crate::flow::testing::{MERGING, append, append_on, assert_counted, take, text};

fn outbox(config: Config) -> Outbox {
    Outbox::new(Protocol::V1, config)
}

/// The bytes of all sources that the queued messages keep in memory.
fn kept(outbox: &mut Outbox) -> usize {
    std::iter::from_fn(|| outbox.iopub.pop())
        .map(|entry| entry.frame.source().len())
        .sum()
}

#[test]
fn a_few_messages_of_a_batch_do_not_keep_all_of_it_in_memory() {
    let content = text(&"x".repeat(100));
    let mut lines = vec![("stream", "p", &content[..]); 100];
    lines.push(("status", "p", "{}"));
    let mut merged = outbox(MERGING);
    merged.detach(false);
    append(&mut merged, &lines, 0.0);
    assert!(kept(&mut merged) < 12_000);
    let batch = crate::flow::testing::batch("iopub", &lines);
    let encoded = crate::flow::testing::encoded(&batch, Protocol::V1);
    let mut part = outbox(Config::UNLIMITED);
    part.append(&encoded, 100, 101, 0.0);
    assert!(kept(&mut part) < 200);
    let mut whole = outbox(Config::UNLIMITED);
    whole.append(&encoded, 0, 100, 0.0);
    let all = encoded.source().len();
    assert_eq!(kept(&mut whole), 100 * all, "a whole batch is not copied");
}

#[test]
fn a_merged_message_keeps_no_bytes_of_its_batch() {
    let large = text(&"x".repeat(1000));
    let mut outbox = outbox(MERGING);
    outbox.detach(false);
    append(&mut outbox, &[("error", "p", &large), ("stream", "p", &text("a"))], 0.0);
    let first = Arc::clone(outbox.iopub.open.as_ref().unwrap().entry().frame.source());
    let mut lines = vec![("stream", "q", &large[..]); 20];
    lines.push(("status", "q", "{}"));
    append(&mut outbox, &lines, 0.0);
    let mut frames = std::iter::from_fn(|| outbox.iopub.pop().map(|entry| entry.frame));
    let (error, stream) = (frames.next().unwrap(), frames.next().unwrap());
    assert!(
        error.is_of(&first) && stream.is_of(&first),
        "a frame of another batch is not copied"
    );
    let (merged, status) = (frames.next().unwrap(), frames.next().unwrap());
    assert!(merged.len() > 20_000 && merged.source().len() == merged.len());
    assert_eq!(
        status.source().len(),
        status.len(),
        "copied, because most of its batch was merged"
    );
}

#[test]
fn memory_counts_queued_and_unacknowledged_messages() {
    let mut outbox = outbox(MERGING);
    let content = text(&"x".repeat(1000));
    append(&mut outbox, &[("stream", "p", &content[..]); 11], 0.0);
    append_on(&mut outbox, "shell", &[("reply", "p", &content)], 0.0);
    for _ in 0..2 {
        assert!((12_000..16_000).contains(&outbox.memory()), "{}", outbox.memory());
        take(&mut outbox, 0.0);
    }
}

#[test]
fn a_parent_counts_once_until_its_last_user_is_freed() {
    let mut outbox = outbox(Config {
        backlog_limit: 40,
        ..MERGING
    });
    let long = "p".repeat(10_000);
    let (one, two) = (text("0123456789"), text("ab"));
    let (mut spilled, mut most) = (Vec::new(), 0);
    for round in 0..400_u32 {
        let parent = format!("{}{long}", round / 5 % 3);
        append(
            &mut outbox,
            &[
                ("stream", &parent, &one),
                ("display_data", &parent, "{}"),
                ("stream", &parent, &two),
                ("update_display_data", "q", &crate::flow::testing::update("d", round)),
                ("error", &parent, "{}"),
            ],
            f64::from(round),
        );
        match round % 16 {
            0 | 5 => drop(outbox.take(f64::from(round), 3000)),
            1 | 9 => _ = outbox.detach(false),
            2 | 3 => spilled.extend(outbox.spill(5000).map(|(id, block)| (id, Bytes::from(block.concat())))),
            4 => spilled.iter().for_each(|(id, _)| _ = outbox.written(*id)),
            7 => _ = outbox.attach(Protocol::V1),
            8 => outbox.acknowledge_all(),
            10 => _ = outbox.drop_text(),
            11 => spilled.iter().for_each(|(id, block)| _ = outbox.restore(*id, block)),
            12 => outbox.unspill(outbox.iopub.disk.next().unwrap_or(0) + 2),
            6 if round % 48 == 6 => _ = outbox.lost(outbox.iopub.disk.next().unwrap_or(0)),
            13 if round % 48 == 13 => drop(outbox.end_process(b"before")),
            14 | 15 => _ = outbox.drop_oldest_display(),
            _ => _ = outbox.ping_due(f64::from(round)),
        }
        assert_counted(&outbox);
        most = most.max(outbox.iopub.parents());
        let lanes: usize = outbox
            .iopub
            .zones()
            .into_iter()
            .chain([&outbox.replies])
            .map(Zone::len)
            .sum();
        let slots = wide(lanes + outbox.sent.entries().count());
        assert_eq!(
            outbox.upkeep(),
            outbox.iopub.parents() + slots * weight(0),
            "the server's limit counts them too"
        );
    }
    assert!(most > 100_000);
    let left_out = outbox.stats().left_out.map(|count| count.messages > 0);
    assert_eq!(
        left_out,
        [false, true, true, true, true, true, false, false],
        "each case has occurred"
    );
    outbox.clear(Reason::Closed);
    assert_eq!((outbox.memory(), outbox.iopub.parents()), (0, 0));
}

#[test]
fn parents_of_dropped_messages_count_until_their_gaps_are_filled_or_on_disk() {
    let mut outbox = outbox(Config {
        backlog_limit: 4,
        ..Config::UNLIMITED
    });
    outbox.detach(false);
    let parents: Vec<String> = (0..20).map(|n| format!("{n:02}{}", "p".repeat(100_000))).collect();
    for parent in &parents {
        append(
            &mut outbox,
            &[("stream", parent, &text("abcdef")), ("display_data", parent, "{}")],
            0.0,
        );
    }
    while outbox.drop_oldest_display() {}
    assert!((4_000_000..4_500_000).contains(&outbox.memory()), "{}", outbox.memory());
    let blocks: Vec<u64> = std::iter::from_fn(|| outbox.spill(1 << 20)).map(|(id, _)| id).collect();
    assert!(blocks.into_iter().all(|id| outbox.written(id)));
    assert!(outbox.iopub.gap_index.text.is_empty() && outbox.iopub.gap_index.displays.len() <= 6);
    let memory = outbox.memory();
    assert!(memory < 1_500_000, "one block stays in memory: {memory}");
}

#[test]
fn short_texts_that_cannot_be_merged_are_dropped_until_the_memory_is_enough() {
    let limit = 100_000;
    let mut outbox = outbox(Config {
        memory_limit: limit,
        ..MERGING
    });
    outbox.detach(false);
    let texts = ["stdout", "stderr"].map(|name| format!(r#"{{"name":"{name}","text":"0123456789"}}"#));
    for _ in 0..1000 {
        append(
            &mut outbox,
            &[("stream", "p", &texts[0]), ("stream", "p", &texts[1])],
            0.0,
        );
    }
    assert!(outbox.memory() > 2 * limit, "{}", outbox.memory());
    while outbox.memory() > limit {
        assert!(outbox.drop_text());
    }
    let dropped = outbox.stats().left_out[3];
    outbox.attach(Protocol::V1);
    let left = [take(&mut outbox, 0.0), take(&mut outbox, 1.0)].concat();
    let gap = left.iter().position(|each| each.starts_with("Full")).unwrap();
    assert!(
        limit / 8 / 250 < wide(gap) && gap < left.len() / 2,
        "the oldest and the newest are kept"
    );
    assert_eq!(dropped.messages + wide(left.len()) - 1, 2000);
}

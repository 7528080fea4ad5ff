use super::*;
use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::flow::block::take_slots;
use crate::flow::config::Config;
use crate::flow::entry::ParentMemory;
use crate::flow::leave::Taken;
use crate::flow::outbox::Outbox;
use crate::flow::pacing::Class;
use crate::flow::testing::{append, assert_balanced, take, text};

pub(super) fn detached(config: Config) -> Outbox {
    let mut outbox = Outbox::new(Protocol::V1, config);
    outbox.detach(false);
    outbox
}

pub(super) fn spill_all(outbox: &mut Outbox, max_bytes: usize) -> Vec<(u64, Bytes)> {
    let mut blocks = Vec::new();
    while let Some((id, block)) = outbox.spill(max_bytes) {
        blocks.push((id, Bytes::from(block.concat())));
        assert!(outbox.written(id) && !outbox.written(id));
    }
    blocks
}

/// The messages that are sent; blocks are restored when `take` asks for them.
pub(super) fn left(outbox: &mut Outbox, blocks: &[(u64, Bytes)]) -> Vec<String> {
    outbox.attach(Protocol::V1);
    outbox.configure(Config {
        high_water: u64::MAX,
        ..Config::UNLIMITED
    });
    let mut out = take(outbox, 0.0);
    while let Some(id) = out.last().and_then(|last| last.strip_prefix("block ")) {
        let id: u64 = id.parse().unwrap();
        out.pop();
        let block = blocks.iter().find(|(each, _)| *each == id).unwrap();
        assert!(outbox.restore(id, &block.1));
        out.extend(take(outbox, 0.0));
    }
    out
}

#[test]
fn spilled_messages_are_sent_in_their_places() {
    for max_bytes in [1, 500, 1 << 30] {
        let mut outbox = detached(Config::UNLIMITED);
        let contents: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        for content in &contents {
            append(&mut outbox, &[("error", "p", content)], 0.0);
        }
        let memory = outbox.memory();
        let blocks = spill_all(&mut outbox, max_bytes);
        let stats = outbox.stats();
        assert_eq!(stats.waiting, 20);
        assert_eq!(stats.disk, wide(blocks.iter().map(|(_, block)| block.len()).sum()));
        assert_eq!(stats.memory < memory, !blocks.is_empty());
        append(&mut outbox, &[("error", "p", "20")], 0.0);
        let expected: Vec<String> = (0..21).map(|n| n.to_string()).collect();
        assert_eq!(left(&mut outbox, &blocks), expected);
        assert_eq!((outbox.stats().waiting, outbox.stats().disk), (0, 0));
    }
}

#[test]
fn a_megabyte_stays_in_memory_before_the_disk() {
    let mut outbox = detached(Config::UNLIMITED);
    let content = "1".repeat(400_000);
    for _ in 0..10 {
        append(&mut outbox, &[("error", "p", &content)], 0.0);
    }
    let blocks = spill_all(&mut outbox, usize::MAX);
    assert!((1_000_000..1_600_000).contains(&outbox.memory()), "{}", outbox.memory());
    assert!(blocks.iter().all(|(_, block)| block.len() < 1_600_000));
    assert_eq!(left(&mut outbox, &blocks).len(), 10);
}

#[test]
fn all_properties_of_a_message_are_restored() {
    let mut outbox = detached(Config::UNLIMITED);
    let idle = r#"{"execution_state":"idle"}"#;
    let lines = [
        ("x", "p", "1"),
        ("status", "p", idle),
        ("status", "p", "2"),
        ("error", "p", "3"),
        ("stream", "p", &text("ab")),
    ];
    append(&mut outbox, &lines, 0.0);
    let blocks = spill_all(&mut outbox, 1);
    let slots: Vec<Slot> = blocks
        .iter()
        .flat_map(|(_, block)| take_slots(block, &ParentMemory::default()).unwrap())
        .collect();
    let classes: Vec<Class> = slots
        .iter()
        .map(|slot| match &slot.item {
            Item::Message(entry) => entry.class,
            _ => panic!("no message"),
        })
        .collect();
    let size = wide(r#"{"msg_id":"m","msg_type":"stream"}{"msg_id":"p"}{}"#.len() + text("ab").len());
    assert_eq!(
        classes,
        [Class::Idle, Class::Exempt, Class::Message, Class::Stream(size)]
    );
    assert_eq!(outbox.stats().text, 2);
}

/// An outbox with one message in memory, then a block on the disk with text, other messages and a gap.
fn with_a_block() -> (Outbox, u64, Bytes) {
    let mut outbox = detached(Config {
        backlog_limit: 2,
        ..Config::UNLIMITED
    });
    append(&mut outbox, &[("error", "p", &"1".repeat(10_000))], 0.0);
    for each in ["a", "b", "c"] {
        append(&mut outbox, &[("stream", "p", &text(each)), ("error", "p", "0")], 0.0);
    }
    let (id, block) = outbox.spill(10_000).unwrap();
    assert!(outbox.written(id));
    (outbox, id, Bytes::from(block.concat()))
}

/// Takes all messages without decoding them, and returns the stats afterwards.
fn drained(outbox: &mut Outbox) -> crate::flow::stats::Stats {
    outbox.attach(Protocol::V1);
    outbox.configure(Config::UNLIMITED);
    loop {
        match outbox.take_messages(0.0, 1 << 30) {
            Taken::Frames(_) => outbox.acknowledge_all(),
            Taken::Gap(id, _) => assert!(outbox.fill_gap(id, Opcode::Binary, b"notice")),
            Taken::Block(id) => assert!(outbox.lost(id)),
            Taken::Nothing(_) => return outbox.stats(),
        }
    }
}

#[test]
fn a_block_with_any_bit_changed_is_lost_or_counts_as_it_was_written() {
    let (mut outbox, id, block) = with_a_block();
    assert!(outbox.restore(id, &block));
    let whole = drained(&mut outbox);
    let mut taken = 0;
    for bit in 0..8 * block.len() {
        let mut wrong = block.to_vec();
        wrong[bit / 8] ^= 1 << (bit % 8);
        let (mut outbox, id, _) = with_a_block();
        let restored = outbox.restore(id, &Bytes::from(wrong));
        assert_balanced(&outbox);
        let stats = drained(&mut outbox);
        assert_balanced(&outbox);
        assert_eq!((stats.waiting, stats.text, stats.disk, stats.memory), (0, 0, 0, 0));
        assert_eq!(restored, stats.left_out == whole.left_out, "bit {bit}");
        taken += usize::from(restored);
    }
    assert!(taken < 7 * block.len(), "only the payloads are not checked");
}

#[test]
fn a_block_of_another_length_is_lost() {
    let (_, _, block) = with_a_block();
    let longer = Bytes::from([&block[..], &block[..]].concat());
    for wrong in (0..block.len()).map(|len| block.slice(..len)).chain([longer]) {
        let (mut outbox, id, _) = with_a_block();
        let before = outbox.stats();
        assert!(!outbox.restore(id, &wrong));
        let after = outbox.stats();
        assert_eq!(
            after.left_out[4].messages - before.left_out[4].messages,
            before.waiting - after.waiting
        );
        assert!(!outbox.restore(id, &block), "it is lost");
        assert_eq!(outbox.stats(), after);
    }
}

#[test]
fn a_block_that_is_lost_or_in_memory_is_not_restored() {
    let (mut outbox, id, block) = with_a_block();
    assert!(outbox.lost(id) && !outbox.restore(id, &block));
    assert_balanced(&outbox);
    let mut outbox = detached(Config::UNLIMITED);
    append(&mut outbox, &[("error", "p", "0"), ("error", "p", "1")], 0.0);
    let (id, block) = outbox.spill(1).unwrap();
    assert!(!outbox.restore(id, &Bytes::from(block.concat())), "not written yet");
    assert_balanced(&outbox);
    assert_eq!(left(&mut outbox, &[]), ["0", "1"]);
}

#[test]
fn displays_of_a_block_that_was_not_written_can_be_dropped() {
    for comes_back in [
        |outbox: &mut Outbox, id: u64| outbox.unspill(id),
        |outbox: &mut Outbox, _| {
            outbox.attach(Protocol::V1);
            outbox.configure(Config {
                high_water: 1,
                ..Config::UNLIMITED
            });
            // One is sent, and the next block moves back to memory
            assert!(matches!(outbox.take(0.0, 1), Taken::Frames(_)));
            assert!(matches!(outbox.take(0.0, 1), Taken::Nothing(_)));
        },
    ] {
        let mut outbox = detached(Config::UNLIMITED);
        append(&mut outbox, &[("error", "p", "0")], 0.0);
        append(
            &mut outbox,
            &[("display_data", "p", "1"), ("display_data", "p", "2")],
            0.0,
        );
        let (id, _) = outbox.spill(1).unwrap();
        assert!(outbox.drop_oldest_display(), "the other one");
        assert!(!outbox.drop_oldest_display());
        comes_back(&mut outbox, id);
        assert!(outbox.drop_oldest_display());
        assert!(!outbox.drop_oldest_display());
    }
}

#[test]
fn resent_messages_stay_ahead_of_the_disk() {
    let mut outbox = Outbox::new(Protocol::V1, Config::UNLIMITED);
    append(&mut outbox, &[("error", "p", "0")], 0.0);
    assert_eq!(take(&mut outbox, 0.0), ["0"]);
    append(
        &mut outbox,
        &[("error", "p", "1"), ("error", "p", "2"), ("error", "p", "3")],
        0.0,
    );
    let blocks = spill_all(&mut outbox, 1);
    outbox.detach(false);
    assert_eq!(left(&mut outbox, &blocks), ["0", "1", "2", "3"]);
}

#[test]
fn a_block_that_is_not_written_yet_is_sent_from_memory() {
    let mut outbox = detached(Config::UNLIMITED);
    let contents: Vec<String> = (0..9).map(|n| n.to_string()).collect();
    for content in &contents {
        append(&mut outbox, &[("error", "p", content)], 0.0);
    }
    let memory = outbox.memory();
    let ids: Vec<u64> = std::iter::from_fn(|| outbox.spill(1)).map(|(id, _)| id).collect();
    assert_eq!(
        (ids.len(), outbox.memory()),
        (8, memory),
        "one stays in `front`, no block is written yet"
    );
    assert!(outbox.on_its_way(ids[7]) && outbox.written(ids[7]) && !outbox.on_its_way(ids[7]));
    assert!(outbox.memory() < memory);
    outbox.attach(Protocol::V1);
    let mut expected = contents.clone();
    expected[8] = format!("block {}", ids[7]);
    assert_eq!(take(&mut outbox, 0.0), expected);
    assert!(!outbox.written(ids[0]), "it was sent");
    assert_eq!(outbox.stats().waiting, 1);
}

#[test]
fn blocks_that_cannot_be_written_return_to_their_places() {
    let mut outbox = detached(Config::UNLIMITED);
    for n in 0..9 {
        append(&mut outbox, &[("error", "p", &n.to_string())], 0.0);
    }
    let memory = outbox.memory();
    let blocks = std::iter::from_fn(|| outbox.spill(1));
    let blocks: Vec<(u64, Bytes)> = blocks.map(|(id, block)| (id, Bytes::from(block.concat()))).collect();
    append(&mut outbox, &[("error", "p", "9")], 0.0);
    assert!(outbox.written(blocks[0].0));
    outbox.unspill(blocks[2].0);
    assert!(!outbox.written(blocks[2].0) && !outbox.written(blocks[7].0));
    assert!(outbox.written(blocks[1].0));
    outbox.unspill(blocks[0].0);
    assert!(outbox.memory() < memory, "written blocks stay on the disk");
    let expected: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    assert_eq!(left(&mut outbox, &blocks), expected);
    assert_eq!((outbox.stats().waiting, outbox.stats().disk), (0, 0));
}

#[test]
fn a_large_message_goes_to_the_disk_even_if_it_is_the_next_one() {
    let mut outbox = Outbox::new(Protocol::V1, Config::UNLIMITED);
    let large = format!(r#"{{"data":"{}"}}"#, "x".repeat(2 << 20));
    append(
        &mut outbox,
        &[("display_data", "p", "{}"), ("display_data", "p", &large)],
        0.0,
    );
    let (id, block) = outbox.spill(1 << 20).unwrap();
    assert!(outbox.spill(1 << 20).is_none() && outbox.written(id));
    assert!(outbox.memory() < 10_000, "{}", outbox.memory());
    assert_eq!(take(&mut outbox, 0.0), ["{}".to_owned(), format!("block {id}")]);
    assert!(outbox.restore(id, &Bytes::from(block.concat())));
    outbox.acknowledge_all();
    assert_eq!(take(&mut outbox, 0.0), [large]);
}

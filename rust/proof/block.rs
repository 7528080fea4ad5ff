//! A block of the disk whose bytes are not those that were written.
//!
//! Either it is refused, and all its messages count as left out; or the numbers of its messages and bytes are those that were
//! written. In both cases each message is counted once, and in the end no memory is in use.

use bytes::Bytes;

use super::random::Random;
use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::flow::block::take_slots;
use crate::flow::config::Config;
use crate::flow::entry::{Item, ParentMemory};
use crate::flow::leave::Taken;
use crate::flow::outbox::Outbox;
use crate::flow::testing::{append, append_on, assert_balanced, text};

/// The body.
pub fn run(data: &[u8]) {
    let mut random = Random::of(data);
    let (mut outbox, id, written) = with_a_block(random.below(8));
    let block = changed(&written, &mut random);
    reads(&block);
    let before = outbox.stats();
    let restored = outbox.restore(id, &block);
    assert_balanced(&outbox);
    let after = outbox.stats();
    assert_eq!(after.disk, 0);
    if block == written {
        assert!(restored, "the block that was written is refused");
    }
    if restored {
        assert_eq!((after.waiting, after.text), (before.waiting, before.text));
        assert_eq!(after.left_out, before.left_out);
    } else {
        assert!(after.waiting < before.waiting && after.text <= before.text);
    }
    drains(&mut outbox);
}

/// An outbox with one message in memory and a block on the disk, which has text, other messages, a prompt and a gap.
fn with_a_block(shape: u64) -> (Outbox, u64, Bytes) {
    let config = Config {
        backlog_limit: 2 + 100 * (shape % 2),
        ..Config::UNLIMITED
    };
    let protocol = if shape < 4 { Protocol::V1 } else { Protocol::Legacy };
    let mut outbox = Outbox::new(protocol, config);
    outbox.detach(false);
    append(&mut outbox, &[("error", "p", &"1".repeat(2000))], 0.0);
    for (each, idle) in [("a", r#"{"execution_state":"idle"}"#), ("b", "0"), ("c", "1")] {
        append(&mut outbox, &[("stream", "p", &text(each)), ("status", "q", idle)], 0.0);
    }
    if shape % 4 > 1 {
        append_on(&mut outbox, "stdin", &[("input_request", "p", "{}")], 0.0);
    }
    let (id, block) = outbox.spill(2000).unwrap();
    assert!(outbox.written(id));
    (outbox, id, Bytes::from(block.concat()))
}

/// The block with some bytes changed, put in or left out; or any bytes.
fn changed(written: &Bytes, random: &mut Random<'_>) -> Bytes {
    let mut block = written.to_vec();
    if random.one_in(8) {
        return Bytes::from(random.rest());
    }
    for _ in 0..8 {
        if random.is_empty() {
            break;
        }
        let (what, at) = (random.below(4), random.size(block.len() + 1));
        let bytes = random.size(12);
        let bytes = random.take(bytes);
        let end = (at + bytes.len()).min(block.len());
        match what {
            0 => drop(block.splice(at..at, bytes)),
            1 => drop(block.drain(at..end)),
            2 => block.truncate(at),
            _ => drop(block.splice(at..end, bytes)),
        }
    }
    Bytes::from(block)
}

/// Reads any bytes as a block: the slots that are found lie within these bytes.
fn reads(block: &Bytes) {
    let memory = ParentMemory::default();
    if let Ok(slots) = take_slots(block, &memory) {
        let len = |item: &Item| match item {
            Item::Message(entry) => entry.frame.len(),
            Item::Gap(gap) => gap.parent.header.len(),
            Item::Hole => panic!("a block has no holes"),
        };
        assert!(slots.iter().map(|slot| len(&slot.item)).sum::<usize>() <= block.len());
    }
    assert_eq!(memory.bytes(), 0);
}

fn drains(outbox: &mut Outbox) {
    outbox.attach(outbox.protocol());
    outbox.configure(Config::UNLIMITED);
    loop {
        match outbox.take_messages(0.0, 1 << 30) {
            Taken::Frames(_) => outbox.acknowledge_all(),
            Taken::Gap(id, _) => assert!(outbox.fill_gap(id, Opcode::Binary, b"notice")),
            Taken::Block(_) => panic!("the only block was restored or lost"),
            Taken::Nothing(wake_at) => break assert_eq!(wake_at, None),
        }
    }
    assert_balanced(outbox);
    let stats = outbox.stats();
    assert_eq!((stats.waiting, stats.text, stats.disk, stats.memory), (0, 0, 0, 0));
}

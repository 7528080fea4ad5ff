use super::*;
use crate::client_wire::websocket::Opcode;

fn message(seq: u64, change: impl FnOnce(&mut Entry)) -> Slot {
    let frame = Frame::own(Opcode::Binary, format!("message {seq}").as_bytes());
    let mut entry = Entry::plain(frame, Protocol::V1, Class::Message);
    change(&mut entry);
    let item = Item::Message(entry);
    Slot { seq, item }
}

fn gap(seq: u64, id: Option<&[u8]>, reason: Reason) -> Slot {
    let parent = Parent::new(id, b"{\"of\":1}", &ParentMemory::default());
    let count = Count {
        messages: seq + 7,
        bytes: seq + 9,
    };
    let item = Item::Gap(Gap { parent, count, reason });
    Slot { seq, item }
}

/// The slots as a block, and their sums.
fn written<'a>(slots: impl IntoIterator<Item = &'a Slot>) -> (Bytes, Contents) {
    let (mut out, mut contents) = (Segments::default(), Contents::default());
    for slot in slots {
        put_slot(slot, &mut out);
        contents.add(slot);
    }
    (Bytes::from(out.finish().concat()), contents)
}

fn read(block: &Bytes, contents: &Contents) -> Option<Vec<Slot>> {
    take_block(block, contents, &ParentMemory::default())
}

/// All that a block keeps of a slot.
fn described(slot: &Slot) -> String {
    match &slot.item {
        Item::Message(entry) => {
            let Entry {
                protocol, class, kind, ..
            } = entry;
            let (messages, text) = (entry.messages, entry.text);
            let payload = String::from_utf8_lossy(entry.frame.payload());
            format!(
                "{}: {protocol:?} {class:?} {kind:?} {messages} {text} {payload}",
                slot.seq
            )
        }
        Item::Gap(Gap { parent, count, reason }) => {
            format!("{}: {:?} {:?} {count:?} {reason:?}", slot.seq, parent.id, parent.header)
        }
        Item::Hole => panic!("a hole is not written"),
    }
}

#[test]
fn every_kind_of_slot_is_read_as_it_was_written() {
    let mut slots = Vec::new();
    for protocol in [Protocol::V1, Protocol::Legacy] {
        for class in [
            Class::Idle,
            Class::Exempt,
            Class::Message,
            Class::Stream(5),
            Class::Stream(0),
        ] {
            for kind in [Kind::Plain, Kind::Stream, Kind::Prompt, Kind::Own, Kind::Announcement] {
                let seq = 3 * wide(slots.len()) + 1;
                slots.push(message(seq, |entry| {
                    (entry.protocol, entry.class, entry.kind) = (protocol, class, kind);
                    (entry.messages, entry.text) = (seq + 1, seq + 2);
                }));
            }
        }
    }
    for reason in Reason::ALL {
        for id in [None, Some(&b""[..]), Some(&b"an id"[..])] {
            slots.push(gap(3 * wide(slots.len()) + 1, id, reason));
        }
    }
    let (block, contents) = written(&slots);
    let found = read(&block, &contents).unwrap();
    let found: Vec<String> = found.iter().map(described).collect();
    assert_eq!(found, slots.iter().map(described).collect::<Vec<_>>());
}

#[test]
fn a_display_is_read_as_a_plain_message() {
    for kind in [Kind::Display, Kind::Update] {
        let (block, contents) = written(&[message(1, |entry| entry.kind = kind)]);
        let found = read(&block, &contents).unwrap();
        assert!(matches!(&found[0].item, Item::Message(entry) if entry.kind == Kind::Plain));
    }
}

#[test]
fn a_block_whose_sums_are_right_is_refused_if_its_numbers_do_not_ascend() {
    for numbers in [[1, 3, 2, 4], [1, 2, 2, 4]] {
        let (block, contents) = written(&numbers.map(|seq| message(seq, |_| ())));
        assert!(read(&block, &contents).is_none());
    }
}

#[test]
fn a_block_without_a_slot_that_counts_nothing_is_refused() {
    let empty = |seq| message(seq, |entry| (entry.kind, entry.messages) = (Kind::Own, 0));
    let slots = [empty(1), empty(2), empty(3)];
    let (_, contents) = written(&slots);
    let (without, _) = written([&slots[0], &slots[2]]);
    assert!(read(&without, &contents).is_none());
}

#[test]
fn flags_that_no_message_or_gap_has_are_refused() {
    let slots = [
        message(1, |entry| entry.kind = Kind::Stream),
        gap(1, None, Reason::Rate),
    ];
    for slot in slots {
        let (block, contents) = written([&slot]);
        for flags in 0..=u8::MAX {
            let mut changed = block.to_vec();
            changed[9] = flags;
            let is_known = match &slot.item {
                Item::Message(_) => matches!(flags & !(CLASS | LEGACY), 0 | STREAM | PROMPT | OWN | ANNOUNCEMENT),
                _ => usize::from(flags & !NAMED) < Reason::ALL.len(),
            };
            let taken = take_slots(&Bytes::from(changed), &ParentMemory::default());
            assert_eq!(taken.is_ok(), is_known, "{flags:#b}");
        }
        assert!(read(&block, &contents).is_some());
    }
}

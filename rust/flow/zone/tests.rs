use super::*;
use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::flow::entry::{Gap, Parent, ParentMemory, Reason};
use crate::flow::frame::Frame;
use crate::flow::pacing::Class;

fn zone(messages: usize) -> Zone {
    let mut zone = Zone::default();
    for seq in 0..wide(messages) {
        let frame = Frame::own(Opcode::Binary, b"payload");
        let item = Item::Message(Entry::plain(frame, Protocol::V1, Class::Exempt));
        zone.push_back(Slot { seq, item });
    }
    zone
}

/// Turns messages into holes and checks the sums after each.
fn make_holes(zone: &mut Zone, seqs: std::ops::Range<u64>) {
    for seq in seqs {
        let index = zone.find(seq);
        zone.change(index, |item| *item = Item::Hole);
        let mut sums = Sums::default();
        zone.slots.iter().for_each(|slot| sums.add(Sums::of_item(&slot.item)));
        assert_eq!(sums, zone.sums());
    }
}

#[test]
fn memory_is_freed_when_less_than_an_eighth_is_used() {
    let mut zone = zone(4096);
    assert_eq!(zone.slots.capacity(), 4096);
    while zone.len() > 512 {
        zone.pop_front();
    }
    assert_eq!(zone.slots.capacity(), 4096, "exactly an eighth");
    zone.pop_front();
    assert_eq!(zone.slots.capacity(), 2 * 511);
}

#[test]
fn a_little_memory_is_kept() {
    let mut zone = zone(SMALL);
    assert_eq!(zone.slots.capacity(), SMALL);
    while zone.pop_front().is_some() {}
    assert_eq!(zone.slots.capacity(), SMALL);
}

#[test]
fn holes_are_removed_when_they_are_more_than_half_of_the_zone() {
    let mut zone = zone(1000);
    make_holes(&mut zone, 0..500);
    assert_eq!(zone.len(), 1000, "holes are exactly half of it");
    make_holes(&mut zone, 500..501);
    assert_eq!((zone.len(), zone.find(501), zone.sums().messages), (499, 0, 499));
    make_holes(&mut zone, 501..502);
    assert_eq!(zone.len(), 499, "the count of holes began again");
}

#[test]
fn a_filled_hole_does_not_count_as_a_hole() {
    let mut zone = zone(SMALL + 1);
    make_holes(&mut zone, 0..1);
    let frame = Frame::own(Opcode::Binary, b"gap");
    zone.change(0, |item| {
        *item = Item::Message(Entry::plain(frame, Protocol::V1, Class::Exempt));
    });
    make_holes(&mut zone, 1..wide(SMALL + 1));
    assert_eq!(
        (zone.len(), zone.holes),
        (SMALL + 1, SMALL),
        "one hole too few to be removed"
    );
    while zone.pop_front().is_some() {}
    assert_eq!(zone.sums(), Sums::default());
}

#[test]
fn few_holes_are_kept() {
    let mut zone = zone(SMALL);
    make_holes(&mut zone, 0..wide(SMALL));
    assert_eq!(zone.len(), SMALL);
    let mut zone = self::zone(SMALL + 1);
    make_holes(&mut zone, 0..wide(SMALL + 1));
    assert_eq!((zone.len(), zone.sums()), (0, Sums::default()));
}

fn stream(change: impl FnOnce(&mut Entry)) -> Item {
    let mut entry = Entry::plain(Frame::own(Opcode::Binary, b"payload"), Protocol::V1, Class::Message);
    (entry.kind, entry.text, entry.messages) = (Kind::Stream, 5, 3);
    change(&mut entry);
    Item::Message(entry)
}

#[test]
fn only_unwritten_text_counts_as_text() {
    let bytes = weight(Frame::own(Opcode::Binary, b"payload").len());
    let unwritten = Sums {
        bytes,
        stream: bytes,
        messages: 3,
        written: 0,
        text: 5,
    };
    assert_eq!(Sums::of_item(&stream(|_| ())), unwritten);
    let written = Sums {
        stream: 0,
        written: 3,
        text: 0,
        ..unwritten
    };
    assert_eq!(Sums::of_item(&stream(|entry| entry.written = true)), written);
    let display = Sums {
        stream: 0,
        text: 0,
        ..unwritten
    };
    assert_eq!(Sums::of_item(&stream(|entry| entry.kind = Kind::Display)), display);
}

#[test]
fn a_zone_without_slots_has_no_sums() {
    let parent = Parent::empty(&ParentMemory::default());
    let gap = Gap {
        parent,
        count: Count::default(),
        reason: Reason::Full,
    };
    let items = [
        stream(|_| ()),
        stream(|entry| entry.written = true),
        Item::Gap(gap),
        Item::Hole,
    ];
    let mut zone = Zone::default();
    for (item, seq) in items.into_iter().zip(1..) {
        let before = zone.sums().bytes;
        let weight = Sums::of_item(&item).bytes;
        // A gap also counts a slot that is not used
        let slots = if matches!(item, Item::Gap(_)) { 2 } else { 1 };
        assert!(weight >= wide(slots * size_of::<Slot>()));
        zone.push_back(Slot { seq, item });
        assert_eq!(zone.sums().bytes, before + weight);
    }
    for _ in 0..4 {
        zone.pop_front();
    }
    assert_eq!((zone.sums(), zone.holes), (Sums::default(), 0));
}

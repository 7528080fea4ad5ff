use super::*;
use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::flow::entry::{Entry, Gap, Kind, ParentMemory, Reason};
use crate::flow::frame::Frame;
use crate::flow::pacing::Class;

/// Adds a block with one message of text.
fn push(disk: &mut Disk) -> u64 {
    let mut block = disk.start_block(1);
    let frame = Frame::own(Opcode::Binary, b"text");
    let mut entry = Entry::plain(frame, Protocol::V1, Class::Message);
    (entry.kind, entry.text) = (Kind::Stream, 4);
    let item = Item::Message(entry);
    let mut slot = Slot { seq: 1, item };
    block.count(&mut slot);
    block.slots.push(slot);
    block.size = 100;
    let id = block.id;
    disk.push(block);
    id
}

#[test]
fn the_number_of_a_block_is_not_used_again() {
    let mut disk = Disk::default();
    let numbers = [push(&mut disk), push(&mut disk)];
    assert_eq!(disk.clear().blocks, numbers);
    assert_eq!([push(&mut disk), push(&mut disk)], numbers.map(|number| number + 2));
}

#[test]
fn a_written_block_has_only_what_counts_on_the_disk() {
    let mut disk = Disk::default();
    let id = push(&mut disk);
    let before = disk.sums();
    assert!(before.bytes > 0 && before.stream > 0 && disk.size() == 0);
    assert!(disk.free_memory(id) && !disk.free_memory(id));
    let written = Sums {
        bytes: 0,
        stream: 0,
        ..before
    };
    assert_eq!((disk.sums(), disk.size()), (written, 100));
    assert!(disk.pop_if(|block| block.id != id).is_none());
    assert!(disk.pop_if(|block| block.id == id).is_some());
    assert_eq!((disk.sums(), disk.size()), (Sums::default(), 0));
}

#[test]
fn only_a_small_parent_is_kept_for_the_notice() {
    for (size, is_kept) in [(3_500, true), (4_500, false)] {
        let parent = Parent::new(None, &vec![b' '; size], &ParentMemory::default());
        let mut block = Disk::default().start_block(1);
        let (count, reason) = (Count::default(), Reason::Full);
        let item = Item::Gap(Gap { parent, count, reason });
        block.count(&mut Slot { seq: 1, item });
        assert_eq!(block.parent.is_some(), is_kept);
    }
}

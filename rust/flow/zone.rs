//! A stretch of a lane that is in memory, and what it amounts to.
//!
//! Every change goes through here, so that the sums are always those of what is there. Places are numbered in ascending
//! order, so that one is found again by its number in O(log n). A `Hole` is what is left of a message in the middle; they
//! are swept out when they are most of the zone, so that they cost O(1) each.

use std::collections::VecDeque;
use std::mem::size_of;

use super::entry::{Count, Entry, Item, Slot};
use crate::reader::wide;

/// Slots in ascending order of their numbers.
#[derive(Default)]
pub struct Zone {
    slots: VecDeque<Slot>,
    holes: usize,
    sums: Sums,
}

/// What a zone amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Memory, upkeep included.
    pub bytes: u64,
    /// Messages, as the kernel sent them.
    pub messages: u64,
    /// Of them those that were written once.
    pub written: u64,
    /// Bytes of `stream` text that was never written.
    pub text: u64,
}

impl Sums {
    /// Those of one entry.
    pub fn of(entry: &Entry) -> Self {
        Self {
            bytes: weight(entry.frame.len()),
            messages: entry.messages,
            written: if entry.written { entry.messages } else { 0 },
            text: entry.unsent_text(),
        }
    }

    /// Those of what stands at a place.
    pub fn of_item(item: &Item) -> Self {
        match item {
            Item::Message(entry) => Self::of(entry),
            Item::Gap(_) => Self {
                bytes: weight(GAP_UPKEEP),
                ..Self::default()
            },
            Item::Hole => Self {
                bytes: weight(0),
                ..Self::default()
            },
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.messages += other.messages;
        self.written += other.written;
        self.text += other.text;
    }

    /// Takes others away.
    pub fn subtract(&mut self, other: Self) {
        self.bytes -= other.bytes;
        self.messages -= other.messages;
        self.written -= other.written;
        self.text -= other.text;
    }
}

impl Zone {
    /// What is there.
    pub fn sums(&self) -> Sums {
        self.sums
    }

    /// Whether nothing is there, not even a hole.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Appends a slot.
    pub fn push_back(&mut self, slot: Slot) {
        self.count(&slot.item);
        self.slots.push_back(slot);
    }

    /// Puts a slot before all others.
    pub fn push_front(&mut self, slot: Slot) {
        self.count(&slot.item);
        self.slots.push_front(slot);
    }

    /// Takes out the first slot.
    pub fn pop_front(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_front()?;
        self.discount(&slot.item);
        Some(slot)
    }

    /// The first slot.
    pub fn front(&self) -> Option<&Slot> {
        self.slots.front()
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The slot at `index`.
    pub fn get(&self, index: usize) -> Option<&Slot> {
        self.slots.get(index)
    }

    /// All slots.
    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// Takes out all slots.
    pub fn take_all(&mut self) -> VecDeque<Slot> {
        std::mem::take(self).slots
    }

    /// The index of the first slot whose number is not below `seq`.
    pub fn find(&self, seq: u64) -> usize {
        self.slots.partition_point(|slot| slot.seq < seq)
    }

    /// Changes what stands at `index`, if something does; says what the change said.
    pub fn change<T>(&mut self, index: usize, change: impl FnOnce(&mut Item) -> T) -> Option<T> {
        let slot = self.slots.get_mut(index)?;
        let before = Sums::of_item(&slot.item);
        let was_hole = matches!(slot.item, Item::Hole);
        let said = change(&mut slot.item);
        self.sums.subtract(before);
        self.sums.add(Sums::of_item(&slot.item));
        match (was_hole, matches!(slot.item, Item::Hole)) {
            (false, true) => {
                self.holes += 1;
                self.sweep();
            }
            (true, false) => self.holes -= 1,
            _ => {}
        }
        Some(said)
    }

    /// What would be missing without them.
    pub fn missing(&self) -> Count {
        let mut missing = Count::default();
        for slot in &self.slots {
            if let Item::Message(entry) = &slot.item {
                missing.add(Count::of(entry));
            }
        }
        missing
    }

    /// Lets go of everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn count(&mut self, item: &Item) {
        self.holes += usize::from(matches!(item, Item::Hole));
        self.sums.add(Sums::of_item(item));
    }

    fn discount(&mut self, item: &Item) {
        self.holes -= usize::from(matches!(item, Item::Hole));
        self.sums.subtract(Sums::of_item(item));
        // Memory that a burst needed is given back when it is over
        if self.slots.len() * 8 < self.slots.capacity() && self.slots.capacity() > SMALL {
            self.slots.shrink_to(self.slots.len() * 2);
        }
    }

    fn sweep(&mut self) {
        if self.holes * 2 > self.slots.len() && self.holes > SMALL {
            self.sums.bytes -= weight(0) * wide(self.holes);
            self.slots.retain(|slot| !matches!(slot.item, Item::Hole));
            self.holes = 0;
        }
    }
}

impl Slot {
    /// Its memory, for a gap with that of its parent.
    pub fn weight(&self) -> u64 {
        let parent = match &self.item {
            Item::Gap(gap) => gap.parent.weight(),
            Item::Message(_) | Item::Hole => 0,
        };
        Sums::of_item(&self.item).bytes + parent
    }
}

/// The memory of a message whose frame has `len` bytes.
pub fn weight(len: usize) -> u64 {
    wide(len + size_of::<Slot>())
}

/// What a gap takes up besides its slot and its parent: the spare slots of a zone that has just grown, which are nothing
/// beside messages, and its place in a map of `GapIndex`, 17 bytes of which more than half can be spare.
const GAP_UPKEEP: usize = size_of::<Slot>() + 40;

/// Below this nothing is gained.
const SMALL: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_wire::Protocol;
    use crate::client_wire::websocket::Opcode;
    use crate::flow::frame::Frame;
    use crate::flow::pacing::Class;

    fn zone(messages: usize) -> Zone {
        let mut zone = Zone::default();
        for seq in 0..wide(messages) {
            let frame = Frame::own(Opcode::Binary, &[b"payload"]);
            let item = Item::Message(Entry::plain(frame, Protocol::V1, Class::Exempt));
            zone.push_back(Slot { seq, item });
        }
        zone
    }

    /// Makes holes of the first messages; the sums must stay those of what is there.
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
    fn memory_is_given_back_when_an_eighth_of_it_is_used() {
        let mut zone = zone(4096);
        assert_eq!(zone.slots.capacity(), 4096);
        while zone.len() > 512 {
            zone.pop_front();
        }
        assert_eq!(zone.slots.capacity(), 4096, "just an eighth");
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
    fn holes_are_swept_out_when_they_are_most_of_the_zone() {
        let mut zone = zone(1000);
        make_holes(&mut zone, 0..500);
        assert_eq!(zone.len(), 1000, "they are half of it");
        make_holes(&mut zone, 500..501);
        assert_eq!((zone.len(), zone.find(501), zone.sums().messages), (499, 0, 499));
        make_holes(&mut zone, 501..502);
        assert_eq!(zone.len(), 499, "counted anew");
    }

    #[test]
    fn a_hole_that_is_filled_is_none_any_more() {
        let mut zone = zone(SMALL + 1);
        make_holes(&mut zone, 0..1);
        let frame = Frame::own(Opcode::Binary, &[b"gap"]);
        zone.change(0, |item| {
            *item = Item::Message(Entry::plain(frame, Protocol::V1, Class::Exempt));
        });
        make_holes(&mut zone, 1..wide(SMALL + 1));
        assert_eq!(
            (zone.len(), zone.holes),
            (SMALL + 1, SMALL),
            "one less than is swept out"
        );
        while zone.pop_front().is_some() {}
        assert_eq!(zone.sums(), Sums::default());
    }

    #[test]
    fn a_few_holes_are_left() {
        let mut zone = zone(SMALL);
        make_holes(&mut zone, 0..wide(SMALL));
        assert_eq!(zone.len(), SMALL);
        let mut zone = self::zone(SMALL + 1);
        make_holes(&mut zone, 0..wide(SMALL + 1));
        assert_eq!((zone.len(), zone.sums()), (0, Sums::default()));
    }
}

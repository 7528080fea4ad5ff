//! A queue of slots in memory, with their sums.
//!
//! Every change goes through `Zone`, so that the sums always match the slots. Slots have ascending numbers, so that one is
//! found by its number in O(log n). A message that is removed from the middle leaves a `Hole`. Holes are removed together
//! when they are more than half of the zone: O(1) each, amortised.

use std::collections::VecDeque;
use std::mem::size_of;

use super::entry::{Count, Entry, Item, Kind, Slot};
use crate::reader::wide;

/// Slots in ascending order of their numbers.
#[derive(Default)]
pub struct Zone {
    slots: VecDeque<Slot>,
    holes: usize,
    sums: Sums,
}

/// The sums over the slots of a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Bytes of memory, overhead included.
    pub bytes: u64,
    /// Those of `stream` messages that were never written.
    pub stream: u64,
    /// Messages, as the kernel sent them.
    pub messages: u64,
    /// Messages that were already written to a WebSocket.
    pub written: u64,
    /// Bytes of `stream` text that was never written.
    pub text: u64,
}

impl Sums {
    /// The sums of one message.
    pub fn of(entry: &Entry) -> Self {
        let bytes = weight(entry.frame.len());
        let is_text = entry.kind == Kind::Stream && !entry.written;
        Self {
            bytes,
            stream: if is_text { bytes } else { 0 },
            messages: entry.messages,
            written: if entry.written { entry.messages } else { 0 },
            text: entry.unsent_text(),
        }
    }

    /// The sums of one slot.
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

    /// Adds other sums.
    pub fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.stream += other.stream;
        self.messages += other.messages;
        self.written += other.written;
        self.text += other.text;
    }

    /// Subtracts other sums.
    pub fn subtract(&mut self, other: Self) {
        self.bytes -= other.bytes;
        self.stream -= other.stream;
        self.messages -= other.messages;
        self.written -= other.written;
        self.text -= other.text;
    }
}

impl Zone {
    /// The sums over all slots.
    pub fn sums(&self) -> Sums {
        self.sums
    }

    /// Whether the zone has no slots, not even holes.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Appends a slot.
    pub fn push_back(&mut self, slot: Slot) {
        self.count(&slot.item);
        self.slots.push_back(slot);
    }

    /// Inserts a slot before all others.
    pub fn push_front(&mut self, slot: Slot) {
        self.count(&slot.item);
        self.slots.push_front(slot);
    }

    /// Removes the first slot.
    pub fn pop_front(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_front()?;
        self.discount(&slot.item);
        Some(slot)
    }

    /// The first slot.
    pub fn front(&self) -> Option<&Slot> {
        self.slots.front()
    }

    /// The number of slots, holes included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The slot at `index`.
    pub fn get(&self, index: usize) -> Option<&Slot> {
        self.slots.get(index)
    }

    /// All slots in order.
    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// Removes all slots.
    pub fn take_all(&mut self) -> VecDeque<Slot> {
        std::mem::take(self).slots
    }

    /// The index of the first slot whose number is not below `seq`.
    pub fn find(&self, seq: u64) -> usize {
        self.slots.partition_point(|slot| slot.seq < seq)
    }

    /// Applies `change` to the slot at `index` and returns its result; None if there is no such slot.
    pub fn change<T>(&mut self, index: usize, change: impl FnOnce(&mut Item) -> T) -> Option<T> {
        let slot = self.slots.get_mut(index)?;
        let before = Sums::of_item(&slot.item);
        let was_hole = matches!(slot.item, Item::Hole);
        let result = change(&mut slot.item);
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
        Some(result)
    }

    /// The messages of the zone and their content bytes.
    pub fn missing(&self) -> Count {
        let mut missing = Count::default();
        for slot in &self.slots {
            if let Item::Message(entry) = &slot.item {
                missing.add(Count::of(entry));
            }
        }
        missing
    }

    /// Frees all slots.
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
        // Frees the memory that a burst needed
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
    /// The memory of the slot; of a gap, with that of its parent.
    pub fn weight(&self) -> u64 {
        let parent = match &self.item {
            Item::Gap(gap) => gap.parent.weight(),
            Item::Message(_) | Item::Hole => 0,
        };
        Sums::of_item(&self.item).bytes + parent
    }
}

/// The memory of a slot whose frame has `len` bytes.
pub fn weight(len: usize) -> u64 {
    wide(len + size_of::<Slot>())
}

/// The memory of a gap besides its slot and parent, in bytes. Zones and the `GapIndex` can be half unused. That is little
/// beside the frame of a message, but much beside a gap, so a gap also counts an unused slot and two entries of the
/// `GapIndex`, 17 bytes each.
const GAP_UPKEEP: usize = size_of::<Slot>() + 40;

/// Zones of at most this many slots are not shrunk or swept: it would save little memory.
const SMALL: usize = 256;

#[cfg(test)]
mod tests;

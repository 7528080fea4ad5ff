//! Reads and changes slots of a lane without sending them, for the log of an execution.

use super::entry::{Item, ParentMemory, Slot};
use super::lane::IopubLane;

impl IopubLane {
    /// Where the parents of its messages count their memory.
    pub fn parent_memory(&self) -> &ParentMemory {
        &self.parents
    }

    /// The slots in memory from the number `seq` on, in order, without the open message.
    pub fn slots_from(&self, seq: u64) -> impl Iterator<Item = &Slot> {
        let zones = self.zones().into_iter();
        zones.flat_map(move |zone| (zone.find(seq)..zone.len()).filter_map(|index| zone.get(index)))
    }

    /// How many slots are in memory, holes included.
    pub fn slots(&self) -> usize {
        self.zones().iter().map(|zone| zone.len()).sum()
    }

    /// Applies `change` to the slot `seq`, if it is in memory.
    pub fn change(&mut self, seq: u64, change: impl FnOnce(&mut Item)) {
        for zone in self.zones_mut() {
            let index = zone.find(seq);
            if zone.get(index).is_some_and(|slot| slot.seq == seq) {
                zone.change(index, change);
                return;
            }
        }
    }

    /// The next slot gets a number above `seq`.
    pub fn number_from(&mut self, seq: u64) {
        self.last_seq = self.last_seq.max(seq);
    }

    /// Copies the frame of the open message, unless it is nearly all of its source.
    pub fn detach_open(&mut self) {
        if let Some(open) = &mut self.open {
            open.frame_mut().detach();
        }
    }

    /// Displays in slots before this number have been dropped.
    pub fn first_display(&self) -> u64 {
        self.gap_index.first_display
    }

    /// Nothing after the slot with this number has been dropped.
    pub fn dropped_upto(&self) -> u64 {
        let first_text = self.tail.front().map_or(self.last_seq + 1, |slot| slot.seq);
        let next = |is_cut: bool, first: u64| if is_cut { first } else { 0 };
        let text = next(!self.gap_index.text.is_empty(), first_text);
        let displays = next(!self.gap_index.displays.is_empty(), self.first_display());
        text.max(displays).saturating_sub(1)
    }
}

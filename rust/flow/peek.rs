//! Reads and changes a lane of which nothing is sent: the log of an execution.

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
}

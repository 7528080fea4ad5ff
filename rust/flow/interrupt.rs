//! An interrupt: of the text that a cell has printed and nobody was shown yet, the beginning and the end are enough.
//!
//! Whoever interrupts a cell wants it to stop, and a page shows that it has when `idle` arrives, behind all that the cell
//! has printed. So its text is cut when the interrupt passes the server, and again at its `idle`, which may be behind much
//! that the kernel had on its way; and the limits hold nothing that is before that. Errors, results and displays stay, and
//! so does what is on the disk. Cost: one look at each message that waits, twice an interrupt; a copy of an id a cell.

use std::sync::Arc;

use super::entry::{Count, Gap, Item, Kind, Parent, Reason, Slot};
use super::lane::IopubLane;
use super::merge::MERGED_TEXT;
use super::outbox::Outbox;
use super::process::Execution;
use super::zone::Zone;
use crate::batch::Message;

impl Outbox {
    /// The kernel is interrupted, or will be in a moment.
    pub fn interrupt(&mut self) {
        if let Some(execution) = &mut self.execution {
            execution.interrupt();
            self.shorten();
        }
    }

    /// Notes which execution the kernel is at.
    pub(super) fn note_execution(&mut self, message: &Message) {
        if Execution::note(&mut self.execution, message) {
            self.shorten();
        }
    }

    /// Cuts the text of the execution, and lets all that waits now leave as fast as the client takes it.
    fn shorten(&mut self) {
        let Some(execution) = self.execution.as_ref().filter(|_| self.config.interrupt_limit > 0) else {
            return;
        };
        self.iopub.shorten(execution.id(), self.config.interrupt_limit / 2);
        self.unlimited_upto = self.iopub.last_seq();
    }
}

impl IopubLane {
    /// Leaves out text with the parent `id`, but for `keep` bytes, or one message more, at either end.
    fn shorten(&mut self, id: &[u8], keep: u64) {
        self.close();
        let mut left = self.text_of(id);
        let (mut before, mut cut) = (0, Cut::default());
        for zone in self.zones_mut() {
            for mut slot in zone.take_all() {
                let text = text_of(&slot, id).unwrap_or(0);
                left -= text;
                let fits = |beyond: u64| beyond + text <= keep || (beyond < keep && text <= MERGED_TEXT);
                if text > 0 && !fits(before) && !fits(left) {
                    cut.add(&mut slot);
                } else if let Item::Message(entry) = &mut slot.item {
                    // Its neighbours in memory may be gone, and it would keep their place
                    entry.frame.unshare();
                }
                before += text;
                zone.push_back(slot);
            }
        }
        self.count_dropped(Reason::Interrupted, cut.count);
        if let Some(gap) = cut.gap() {
            self.put_gap(cut.seq, &gap);
        }
    }

    fn text_of(&self, id: &[u8]) -> u64 {
        let slots = self.zones().into_iter().flat_map(Zone::iter);
        slots.filter_map(|slot| text_of(slot, id)).sum()
    }

    /// Puts a gap into the place of a message that was left out, or adds to that of the execution which is there already.
    fn put_gap(&mut self, seq: u64, gap: &Gap) {
        let known = |slot: &&Slot| matches!(&slot.item, Item::Gap(other) if other.parent == gap.parent);
        let at = self
            .zones()
            .into_iter()
            .flat_map(Zone::iter)
            .find(known)
            .map_or(seq, |slot| slot.seq);
        for zone in self.zones_mut() {
            let index = zone.find(at);
            if zone.get(index).is_some_and(|slot| slot.seq == at) {
                zone.change(index, |item| match item {
                    Item::Gap(other) => other.count.add(gap.count),
                    _ => *item = Item::Gap(gap.clone()),
                });
                return;
            }
        }
    }
}

/// What was left out of one execution.
#[derive(Default)]
struct Cut {
    seq: u64,
    count: Count,
    parent: Option<Arc<Parent>>,
}

impl Cut {
    fn add(&mut self, slot: &mut Slot) {
        if let Item::Message(entry) = &mut slot.item {
            if self.parent.is_none() {
                self.seq = slot.seq;
                self.parent.clone_from(&entry.parent);
            }
            self.count.add(Count::measured(entry));
            slot.item = Item::Hole;
        }
    }

    fn gap(&self) -> Option<Gap> {
        let (count, reason) = (self.count, Reason::Interrupted);
        let parent = self.parent.clone()?;
        Some(Gap { parent, count, reason })
    }
}

/// The bytes of text at a place, if they are of the execution `id` and were never written.
fn text_of(slot: &Slot, id: &[u8]) -> Option<u64> {
    let Item::Message(entry) = &slot.item else {
        return None;
    };
    let parent = entry.parent.as_ref().and_then(|parent| parent.id.as_deref());
    (entry.kind == Kind::Stream && parent == Some(id)).then(|| entry.unsent_text())
}

#[cfg(test)]
mod tests;

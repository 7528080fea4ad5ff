//! Cuts the unsent text of an interrupted cell: its beginning and its end stay.
//!
//! A user who interrupts a cell wants it to stop, and a page shows that only when `idle` arrives, after all queued output
//! of the cell. So the text of the cell is cut when the interrupt passes the server, and again at the cell's `idle`, because
//! the kernel may have sent more text in between. The rate limits do not hold messages that are queued at either time.
//! Errors, results, displays and messages on the disk are kept. Cost: two passes over the queued messages for each
//! interrupt, and a copy of one id for each cell.

use std::sync::Arc;

use super::entry::{Count, Gap, Item, Kind, Parent, Reason, Slot};
use super::lane::IopubLane;
use super::merge::MERGED_TEXT;
use super::outbox::Outbox;
use super::process::Execution;
use super::zone::Zone;
use crate::batch::Message;

impl Outbox {
    /// Shortens the text of the current execution. Called when a client interrupts the kernel.
    pub fn interrupt(&mut self) {
        if let Some(execution) = &mut self.execution {
            execution.interrupt();
            self.shorten();
        }
    }

    /// Shortens all queued text to its beginning and its end. Called when a user no longer wants to wait for it.
    pub fn skip(&mut self) {
        // Each half must have room for a merged message
        self.iopub
            .cut(self.config.interrupt_limit.max(4 * MERGED_TEXT), self.reason);
        self.unlimited_upto = self.iopub.last_seq();
    }

    /// Notes the current execution, and shortens its text if it was interrupted and has ended.
    pub(super) fn note_execution(&mut self, message: &Message) {
        if Execution::note(&mut self.execution, message) {
            self.shorten();
        }
    }

    /// Shortens the text of the execution, and exempts all queued messages from the rate limits.
    fn shorten(&mut self) {
        let Some(execution) = self.execution.as_ref().filter(|_| self.config.interrupt_limit > 0) else {
            return;
        };
        self.iopub.shorten(execution.id(), self.config.interrupt_limit / 2);
        self.unlimited_upto = self.iopub.last_seq();
    }
}

impl IopubLane {
    /// Drops text with the parent `id` except for `keep` bytes, rounded up to a whole message, at either end.
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
                    // Its neighbours may have been dropped; sharing their buffer would keep it in memory
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

    /// Adds the count to an existing gap of the execution, or puts `gap` into the slot `seq` of a dropped message.
    fn put_gap(&mut self, seq: u64, gap: &Gap) {
        let known = |slot: &&Slot| matches!(&slot.item, Item::Gap(other) if other.parent == gap.parent);
        let at = self
            .zones()
            .into_iter()
            .flat_map(Zone::iter)
            .find(known)
            .map_or(seq, |slot| slot.seq);
        self.change(at, |item| match item {
            Item::Gap(other) => other.count.add(gap.count),
            _ => *item = Item::Gap(gap.clone()),
        });
    }
}

/// The messages of one execution that were dropped.
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

/// The bytes of unsent text of a slot; None if it is not a `stream` of the execution `id`.
fn text_of(slot: &Slot, id: &[u8]) -> Option<u64> {
    let Item::Message(entry) = &slot.item else {
        return None;
    };
    let parent = entry.parent.as_ref().and_then(|parent| parent.id.as_deref());
    (entry.kind == Kind::Stream && parent == Some(id)).then(|| entry.unsent_text())
}

#[cfg(test)]
mod tests;

//! What gives way when too much waits, and the gaps that say so.
//!
//! Of `stream` text the middle: what has waited longest stays up to half of the limit, what came last stays, and what is
//! between is counted, message by message and byte by byte, in one gap per parent. While such a gap is at the end of the
//! middle no text is kept behind it, so that text and gaps do not alternate. When even that is too much, displays give
//! way, the oldest first. Nothing else ever does. Cost: O(1) a message that moves; O(log n) one that is left out.

use std::sync::Arc;

use super::entry::{Count, Entry, Gap, Item, Kind, Parent, ParentMemory, Reason, Slot};
use super::lane::IopubLane;
use super::source::Source;
use super::transcode::measure;
use super::zone::Zone;

impl IopubLane {
    /// Leaves out text until at most `limit` bytes of it wait. 0: no limit.
    pub fn cut(&mut self, limit: u64, reason: Reason) {
        while limit > 0 && self.text() > limit {
            if self.tail.is_empty() && !self.close() {
                return;
            }
            self.cut_one(limit / 2, reason);
        }
    }

    /// Leaves out one message of text; text before it moves on up to `room`. False: there is none.
    pub fn drop_text(&mut self, room: u64) -> bool {
        while !self.tail.is_empty() {
            if self.cut_one(room, Reason::Full) {
                return true;
            }
        }
        false
    }

    /// Takes the oldest of the tail: true if it is left out.
    fn cut_one(&mut self, room: u64, reason: Reason) -> bool {
        let Some(Slot { seq, mut item }) = self.tail.pop_front() else {
            return false;
        };
        match &mut item {
            Item::Hole => return false,
            Item::Message(entry) if entry.kind == Kind::Stream => {
                let fits = self.gap_index.text.is_empty() && self.head_text() + entry.text <= room;
                if !fits {
                    measure(entry);
                    self.count_cut(seq, entry, reason);
                    return true;
                }
            }
            // Its neighbours in memory are gone, and it would keep their place
            Item::Message(entry) if !self.gap_index.text.is_empty() => entry.frame.unshare(),
            Item::Message(_) | Item::Gap(_) => {}
        }
        self.middle.push_back(Slot { seq, item });
        false
    }

    /// Text that waits before the tail.
    fn head_text(&self) -> u64 {
        self.front.sums().text + self.disk.sums().text + self.middle.sums().text
    }

    fn text(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.entry().text);
        self.head_text() + self.tail.sums().text + open
    }

    fn count_cut(&mut self, seq: u64, entry: &Entry, reason: Reason) {
        let (count, source) = (Count::of(entry), entry.frame.source());
        if 2 * entry.frame.len() >= source.len() {
            unshare_before(&mut self.middle, usize::MAX, source);
            unshare_from(&mut self.tail, 0, source);
        }
        self.count_dropped(reason, count);
        let parent = parent_of(entry, &self.parents);
        let known = self.gap_index.text.get(&parent).copied();
        if known.is_some_and(|at| add_to_gap(&mut self.middle, at, count)) {
            return;
        }
        self.gap_index.text.insert(Arc::clone(&parent), seq);
        let item = Item::Gap(Gap { parent, count, reason });
        self.middle.push_back(Slot { seq, item });
    }

    /// Leaves out the oldest display that is in memory and was never written. False: there is none.
    pub fn drop_oldest_display(&mut self) -> bool {
        loop {
            for zone in 0..self.zones().len() {
                if let Some((index, seq)) = self.find_display(zone) {
                    self.gap_index.first_display = seq;
                    self.drop_display(zone, index);
                    return true;
                }
            }
            self.gap_index.first_display = self.last_seq() + 1;
            let update = self.open.as_ref().is_some_and(|open| open.entry().kind == Kind::Update);
            if !update || !self.close() {
                return false;
            }
        }
    }

    fn find_display(&self, zone: usize) -> Option<(usize, u64)> {
        let zone = *self.zones().get(zone)?;
        let slots =
            (zone.find(self.gap_index.first_display)..zone.len()).filter_map(|index| Some((index, zone.get(index)?)));
        let mut displays = slots.filter(|(_, slot)| match &slot.item {
            Item::Message(entry) => matches!(entry.kind, Kind::Display | Kind::Update) && !entry.written,
            Item::Gap(_) | Item::Hole => false,
        });
        displays.next().map(|(index, slot)| (index, slot.seq))
    }

    fn drop_display(&mut self, zone: usize, index: usize) {
        let slot = self.zones().get(zone).and_then(|zone| zone.get(index));
        let Some(Slot {
            seq,
            item: Item::Message(entry),
        }) = slot
        else {
            return;
        };
        let (seq, parent, count) = (*seq, parent_of(entry, &self.parents), Count::of(entry));
        let source = Arc::clone(entry.frame.source());
        self.count_dropped(Reason::Full, count);
        let known = self.gap_index.displays.get(&parent).copied();
        let counted = known.is_some_and(|at| self.zones_mut().into_iter().any(|zone| add_to_gap(zone, at, count)));
        let item = if counted {
            Item::Hole
        } else {
            self.gap_index.displays.insert(Arc::clone(&parent), seq);
            let reason = Reason::Full;
            Item::Gap(Gap { parent, count, reason })
        };
        if let Some(zone) = self.zones_mut().into_iter().nth(zone) {
            unshare_before(zone, index, &source);
            unshare_from(zone, index + 1, &source);
            zone.change(index, |place| *place = item);
        }
    }
}

/// Adds to the gap with the number `seq`; false if it is not here.
fn add_to_gap(zone: &mut Zone, seq: u64, count: Count) -> bool {
    let index = zone.find(seq);
    let is_it = zone
        .get(index)
        .is_some_and(|slot| slot.seq == seq && matches!(slot.item, Item::Gap(_)));
    is_it
        && zone
            .change(index, |item| {
                if let Item::Gap(gap) = item {
                    gap.count.add(count);
                }
            })
            .is_some()
}

/// Copies what stands before `index` and would keep all of `source` alive.
fn unshare_before(zone: &mut Zone, index: usize, source: &Arc<Source>) {
    let mut index = index.min(zone.len());
    while index > 0 && unshare(zone, index - 1, source) {
        index -= 1;
    }
}

/// Copies what stands at `index` and behind it and would keep all of `source` alive.
fn unshare_from(zone: &mut Zone, index: usize, source: &Arc<Source>) {
    let mut index = index;
    while unshare(zone, index, source) {
        index += 1;
    }
}

/// False if there is nothing to copy.
fn unshare(zone: &mut Zone, index: usize, source: &Arc<Source>) -> bool {
    let copied = zone.change(index, |item| match item {
        Item::Message(entry) if entry.frame.is_of(source) => {
            entry.frame.unshare();
            !entry.frame.is_of(source)
        }
        _ => false,
    });
    copied.unwrap_or(false)
}

/// Only messages with a parent give way.
fn parent_of(entry: &Entry, memory: &ParentMemory) -> Arc<Parent> {
    entry.parent.clone().unwrap_or_else(|| Parent::empty(memory))
}

#[cfg(test)]
mod tests;

//! Drops messages when an outbox is too full, and puts gaps in their places.
//!
//! Of `stream` text it drops the middle: the oldest text stays, up to half of the limit, and so does the newest. One gap for
//! each parent counts the dropped messages and bytes. While the middle zone ends with such gaps, no text is kept after
//! them, so that text and gaps do not alternate. If dropping text is not enough, displays are dropped, the oldest first.
//! Must not drop anything else. Cost: O(1) for each message that is moved, O(log n) for each that is dropped.

use std::sync::Arc;

use super::entry::{Count, Entry, Gap, Item, Kind, Parent, ParentMemory, Reason, Slot};
use super::lane::IopubLane;
use super::source::Source;
use super::transcode::measure;
use super::zone::{Sums, Zone};

impl IopubLane {
    /// Drops text until at most `limit` bytes are queued. 0: no limit.
    pub fn cut(&mut self, limit: u64, reason: Reason) {
        while limit > 0 && self.text() > limit {
            if self.tail.is_empty() && !self.close() {
                return;
            }
            self.cut_one(|sums| sums.text, limit / 2, reason);
        }
    }

    /// Drops one message of text if all text takes more than `limit` bytes of memory. Short messages take many times the bytes
    /// of their text. False: all text takes less, or there is none to drop.
    pub fn drop_text(&mut self, limit: u64) -> bool {
        while self.sums().stream > limit && !self.tail.is_empty() {
            if self.cut_one(|sums| sums.stream, limit / 2, Reason::Full) {
                return true;
            }
        }
        false
    }

    /// Moves the oldest slot of the tail to the middle. Text is dropped instead if `size` of all before the tail would exceed
    /// `room`, or if it would follow a gap of text. True: it was dropped.
    fn cut_one(&mut self, size: fn(&Sums) -> u64, room: u64, reason: Reason) -> bool {
        let Some(Slot { seq, mut item }) = self.tail.pop_front() else {
            return false;
        };
        match &mut item {
            Item::Hole => return false,
            Item::Message(entry) if entry.kind == Kind::Stream => {
                let fits = self.gap_index.text.is_empty() && self.before_tail(size) + size(&Sums::of(entry)) <= room;
                if !fits {
                    measure(entry);
                    self.count_cut(seq, entry, reason);
                    return true;
                }
            }
            // Its neighbours were dropped; sharing their buffer would keep it in memory
            Item::Message(entry) if !self.gap_index.text.is_empty() => entry.frame.unshare(),
            Item::Message(_) | Item::Gap(_) => {}
        }
        self.middle.push_back(Slot { seq, item });
        false
    }

    /// What `size` counts before the tail.
    fn before_tail(&self, size: fn(&Sums) -> u64) -> u64 {
        size(&self.front.sums()) + size(&self.disk.sums()) + size(&self.middle.sums())
    }

    fn text(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.entry().text);
        self.before_tail(|sums| sums.text) + self.tail.sums().text + open
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

    /// Drops the oldest display that is in memory and was never written. False: there is none.
    pub fn drop_oldest_display(&mut self) -> bool {
        loop {
            for zone in 0..self.zones().len() {
                if let Some((index, seq)) = self.find_display(zone) {
                    self.gap_index.first_display = seq + 1;
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

/// Adds to the gap with the number `seq`. False: the zone does not have it.
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

/// Copies the frames of `source` in the slots directly before `index`, so that they do not keep all of `source` in memory.
fn unshare_before(zone: &mut Zone, index: usize, source: &Arc<Source>) {
    let mut index = index.min(zone.len());
    while index > 0 && unshare(zone, index - 1, source) {
        index -= 1;
    }
}

/// The same for the slots at `index` and directly after it.
fn unshare_from(zone: &mut Zone, index: usize, source: &Arc<Source>) {
    let mut index = index;
    while unshare(zone, index, source) {
        index += 1;
    }
}

/// Copies the frame at `index`. False: it is not of `source`, or is most of it.
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

/// The parent of a dropped message.
fn parent_of(entry: &Entry, memory: &ParentMemory) -> Arc<Parent> {
    entry.parent.clone().unwrap_or_else(|| Parent::empty(memory))
}

#[cfg(test)]
mod tests;

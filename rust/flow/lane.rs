//! The messages of IOPub that wait, in strict order.
//!
//! ```text
//! next to leave                                                                            newest
//!   front (memory) < disk (blocks that were spilled) < middle (memory) < tail (memory) < open
//! ```
//!
//! Everything comes in at `open` or `tail` and leaves where the first of these is. `cut` moves the oldest of the tail
//! into the middle or leaves it out, `spill` moves the oldest after `front` to the disk and back. What was left out is a
//! gap in its place. Cost: O(1) a message for coming and going.

use std::collections::HashMap;
use std::sync::Arc;

use super::disk::Disk;
use super::entry::{Count, Entry, Gap, Item, Kind, Parent, ParentMemory, Reason, Slot};
use super::frame::framed_len;
use super::merge::{MergeKey, OpenMessage};
use super::pacing::Class;
use super::source::Source;
use super::transcode::transcode;
use super::zone::{Sums, Zone};
use crate::client_wire::Protocol;
use crate::reader::wide;

/// Fields are for `cut` and `spill`, each of which is one concern of the lane.
#[derive(Default)]
pub struct IopubLane {
    pub(super) front: Zone,
    pub(super) disk: Disk,
    pub(super) middle: Zone,
    pub(super) tail: Zone,
    pub(super) open: Option<OpenMessage>,
    pub(super) gap_index: GapIndex,
    pub(super) parents: ParentMemory,
    pub(super) left_out: [Count; Reason::ALL.len()],
    pub(super) last_seq: u64,
    /// Announcements up to this number are not told.
    pub(super) withdrawn: u64,
    /// How many of them, and of the server's messages on the disk, were never told.
    pub(super) server_dropped: u64,
    merged: u64,
    refused: u64,
}

/// Where messages of a parent that are left out are counted, by the number of the slot.
#[derive(Default)]
pub struct GapIndex {
    /// The gaps at the end of the middle: while there is one, no text is kept behind it.
    pub text: HashMap<Arc<Parent>, u64>,
    /// The gaps of displays.
    pub displays: HashMap<Arc<Parent>, u64>,
    /// No display that can give way has a lower number.
    pub first_display: u64,
}

impl GapIndex {
    /// Nothing more is counted in the gaps at the end of the middle.
    pub fn end_text_gaps(&mut self) {
        // Not `clear`, which keeps the memory
        self.text = HashMap::default();
    }

    /// What has this number, and what comes behind it, may have to give way again.
    pub fn search_from(&mut self, seq: u64) {
        self.first_display = self.first_display.min(seq);
    }

    /// No more displays of this parent are counted in their gap.
    pub fn end_display_gap(&mut self, parent: &Arc<Parent>) {
        self.displays.remove(parent);
        if self.displays.len() * 8 < self.displays.capacity() {
            self.displays.shrink_to(self.displays.len() * 2);
        }
    }
}

/// What is next to leave.
pub enum Head<'a> {
    /// Nothing waits.
    Empty,
    /// A message.
    Message(Leaving),
    /// The newest message: others may still come to be one with it.
    Open(Leaving, Kind),
    /// The place of a gap, and what is missing.
    Gap(u64, &'a Gap),
    /// A block on the disk.
    Block(u64),
}

/// A message that could leave.
#[derive(Clone, Copy)]
pub struct Leaving {
    /// Its place.
    pub seq: u64,
    /// On the wire.
    pub len: u64,
    /// For the rate window.
    pub class: Class,
}

impl IopubLane {
    /// Appends a message. `key`: it may become one with its neighbours, up to `limit` bytes of text.
    pub fn append(&mut self, entry: Entry, key: Option<MergeKey>, limit: u64) {
        let Some(key) = key else {
            self.close();
            return self.push(entry);
        };
        let refused = match &mut self.open {
            None => Err((entry, key)),
            Some(open) => open.absorb(entry, key, limit),
        };
        match refused {
            Ok(()) => self.merged += 1,
            Err((entry, key)) => {
                self.close();
                self.open = Some(OpenMessage::new(entry, key));
            }
        }
    }

    /// Ends the run of the newest message; false if it had ended.
    pub fn close(&mut self) -> bool {
        let open = self.open.take();
        open.map(|open| self.push(open.close())).is_some()
    }

    /// A message that was written goes back to where it left.
    pub fn put_back(&mut self, entry: Entry) {
        // Below all numbers, and nobody asks for it by number
        let item = Item::Message(entry);
        self.front.push_front(Slot { seq: 0, item });
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.last_seq += 1;
        let (seq, item) = (self.last_seq, Item::Message(entry));
        self.tail.push_back(Slot { seq, item });
    }

    /// The number of the newest place that is not in an open run.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.disk.is_empty() && self.open.is_none() && self.zones().iter().all(|zone| zone.is_empty())
    }

    /// What all of it amounts to; on the disk nothing is memory.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        self.zones().iter().for_each(|zone| sums.add(zone.sums()));
        sums.add(self.disk.sums());
        if let Some(open) = &self.open {
            sums.add(Sums::of(open.entry()));
            sums.bytes += open.added_len();
        }
        sums
    }

    /// Messages that became one with another, or were replaced by it.
    pub fn merged(&self) -> u64 {
        self.merged
    }

    /// Messages that have no form in the client's subprotocol.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The memory zones in order.
    pub(super) fn zones(&self) -> [&Zone; 3] {
        [&self.front, &self.middle, &self.tail]
    }

    /// The same, to be changed.
    pub(super) fn zones_mut(&mut self) -> [&mut Zone; 3] {
        [&mut self.front, &mut self.middle, &mut self.tail]
    }

    /// The zone with what is next to leave, if that is in memory and in no open run.
    fn first(&mut self) -> Option<&mut Zone> {
        if self.front.is_empty() && !self.disk.is_empty() {
            return None;
        }
        self.zones_mut().into_iter().find(|zone| !zone.is_empty())
    }

    /// What is next to leave, in the form of `protocol`.
    pub fn head(&mut self, protocol: Protocol) -> Head<'_> {
        self.prepare(protocol);
        if self.front.is_empty()
            && let Some(block) = self.disk.next()
        {
            return Head::Block(block);
        }
        let first = [&self.front, &self.middle, &self.tail]
            .into_iter()
            .find_map(|zone| zone.front());
        match (first, &self.open) {
            (Some(slot), _) => match &slot.item {
                Item::Message(entry) => Head::Message(Leaving {
                    seq: slot.seq,
                    len: wide(entry.frame.len()),
                    class: entry.class,
                }),
                Item::Gap(gap) => Head::Gap(slot.seq, gap),
                // `prepare` leaves none
                Item::Hole => Head::Empty,
            },
            (None, Some(open)) => {
                let leaving = Leaving {
                    seq: self.last_seq + 1,
                    len: wide(framed_len(open.payload_len())),
                    class: open.entry().class,
                };
                Head::Open(leaving, open.entry().kind)
            }
            (None, None) => Head::Empty,
        }
    }

    /// Makes what is next ready to be looked at.
    fn prepare(&mut self, protocol: Protocol) {
        let withdrawn = self.withdrawn;
        loop {
            self.replace_lost_block();
            self.recall();
            let Some(zone) = self.first() else { return };
            match zone.front().map(|slot| &slot.item) {
                Some(Item::Hole) => drop(zone.pop_front()),
                Some(Item::Message(entry)) if is_withdrawn(entry, withdrawn) => {
                    zone.pop_front();
                    self.server_dropped += 1;
                }
                Some(Item::Message(entry)) if entry.protocol != protocol => {
                    if let Ok(entry) = transcode(entry, protocol) {
                        zone.change(0, |item| *item = Item::Message(entry));
                        return;
                    }
                    let messages = entry.messages;
                    zone.pop_front();
                    self.refused += messages;
                }
                _ => return,
            }
        }
    }

    /// Takes out the message that `head` spoke of.
    pub fn pop(&mut self) -> Option<Entry> {
        if let Some(zone) = self.first() {
            return match zone.pop_front()?.item {
                Item::Message(entry) => Some(entry),
                Item::Gap(_) | Item::Hole => None,
            };
        }
        self.open.take().map(OpenMessage::close)
    }

    /// The gap that `head` spoke of is told to somebody: nothing more is counted in it.
    pub fn end_gap(&mut self) {
        self.gap_index.end_text_gaps();
        if let Some(zone) = self.first()
            && let Some(Slot {
                item: Item::Gap(gap), ..
            }) = zone.front()
        {
            let parent = Arc::clone(&gap.parent);
            self.gap_index.end_display_gap(&parent);
        }
    }

    /// Puts a message in the place of the gap that is next to leave; false if that is another one.
    pub fn fill_gap(&mut self, seq: u64, entry: Entry) -> bool {
        self.first().is_some_and(|zone| {
            let is_it = |slot: &Slot| slot.seq == seq && matches!(slot.item, Item::Gap(_));
            zone.front().is_some_and(is_it) && zone.change(0, |item| *item = Item::Message(entry)).is_some()
        })
    }

    /// Copies what is left of `source` behind `seq`, if that is the lesser part of it: the rest was merged, or is not for
    /// this client.
    pub fn unshare(&mut self, source: &Arc<Source>, seq: u64) {
        let behind = self.tail.find(seq + 1)..self.tail.len();
        let left = |item: &Item| match item {
            Item::Message(entry) if entry.frame.is_of(source) => entry.frame.len(),
            _ => 0,
        };
        let slots = behind.clone().filter_map(|index| self.tail.get(index));
        let mut kept: usize = slots.map(|slot| left(&slot.item)).sum();
        if let Some(open) = self.open.as_ref().filter(|open| open.entry().frame.is_of(source)) {
            kept += open.entry().frame.len();
        }
        if 2 * kept >= source.len() {
            return;
        }
        for index in behind {
            self.tail.change(index, |item| {
                if let Item::Message(entry) = item
                    && entry.frame.is_of(source)
                {
                    entry.frame.unshare();
                }
            });
        }
        if let Some(open) = &mut self.open {
            open.unshare();
        }
    }

    /// Cursors messages as left out.
    pub(super) fn count_dropped(&mut self, reason: Reason, count: Count) {
        let index = Reason::ALL.iter().position(|each| *each == reason).unwrap_or_default();
        if let Some(sum) = self.left_out.get_mut(index) {
            sum.add(count);
        }
    }

    /// Memory of the parents of all that waits or is not acknowledged.
    pub fn parents(&self) -> u64 {
        self.parents.bytes()
    }

    /// What was left out, in the order of `Reason::ALL`.
    pub fn left_out(&self) -> [Count; Reason::ALL.len()] {
        self.left_out
    }

    /// Lets go of everything that waits; returns what of it was on the disk.
    pub fn clear(&mut self) -> Count {
        self.zones_mut().into_iter().for_each(Zone::clear);
        let cleared = self.disk.clear();
        self.server_dropped += cleared.from_server;
        self.open = None;
        self.gap_index = GapIndex::default();
        cleared.own
    }
}

/// Whether this is an announcement that is not to be told any more.
pub fn is_withdrawn(entry: &Entry, upto: u64) -> bool {
    entry.kind == Kind::Announcement && entry.text <= upto
}

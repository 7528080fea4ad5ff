//! The queue of IOPub messages, in strict order.
//!
//! ```text
//! next to be sent                                                                          newest
//!   front (memory) < disk (blocks that were spilled) < middle (memory) < tail (memory) < open
//! ```
//!
//! A message is appended to `open` or `tail`, and sent from the first part that is not empty. `cut` moves the oldest slots of
//! the tail to the middle or drops them; `spill` moves the oldest slots after `front` to the disk and back. A gap marks
//! the place of dropped messages. Cost: O(1) for each message that is appended or sent.

use std::ops::Range;
use std::sync::Arc;

use super::disk::Disk;
use super::entry::{Count, Entry, Gap, Item, Kind, ParentMemory, Reason, Slot};
use super::frame::framed_len;
use super::gap_index::GapIndex;
use super::merge::{MergeKey, OpenMessage};
use super::pacing::Class;
use super::source::Source;
use super::texts::Texts;
use super::transcode::transcode;
use super::zone::{Sums, Zone};
use crate::client_wire::Protocol;
use crate::reader::wide;

/// The queue. `cut`, `spill`, `ended` and `interrupt` implement parts of it and use its fields.
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
    /// Announcements up to this number are withdrawn: they are not sent.
    pub(super) withdrawn: u64,
    /// Messages of the server that were dropped: withdrawn announcements, and messages in lost or cleared blocks.
    pub(super) server_dropped: u64,
    pub(super) merged: u64,
    refused: u64,
}

/// The next item to be sent.
pub enum Head<'a> {
    /// The queue is empty.
    Empty,
    /// A message.
    Message(Leaving),
    /// The newest message, into which later messages may still be merged.
    Open(Leaving, Kind),
    /// The slot number of a gap, and the gap.
    Gap(u64, &'a Gap),
    /// The number of a block on the disk.
    Block(u64),
}

/// The properties of the next message that decide when it is sent.
#[derive(Clone, Copy)]
pub struct Leaving {
    /// The slot number.
    pub seq: u64,
    /// Bytes on the wire.
    pub len: u64,
    /// How the rate window counts it.
    pub class: Class,
}

impl IopubLane {
    /// Appends a message. With a `key` it can be merged with its neighbours, up to `limit` bytes of text.
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

    /// Whether the newest message is a `stream` that texts can be merged into.
    pub fn awaits_text(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.entry().kind == Kind::Stream)
    }

    /// Merges texts with which the messages in `range` begin into the open message, together. Merges none that `append` would not
    /// merge; what it leaves, `append` may still merge. Returns their count.
    pub fn append_texts(&mut self, texts: &Texts, range: Range<usize>, protocol: Protocol, limit: u64) -> Count {
        let open = self.open.as_mut().filter(|open| open.entry().protocol == protocol);
        let merged = open.and_then(|open| {
            let room = limit.saturating_sub(open.entry().text);
            let text = texts.fitting(range, room)?;
            // A text that reaches the limit alone is not merged
            (text.count.bytes < limit && open.absorb_text(&text, limit)).then_some(text.count)
        });
        let merged = merged.unwrap_or_default();
        self.merged += merged.messages;
        merged
    }

    /// Moves the open message to the tail: nothing more is merged into it. False: there is none.
    pub fn close(&mut self) -> bool {
        let open = self.open.take();
        open.map(|open| self.push(open.close())).is_some()
    }

    /// Puts a message that was written but not acknowledged back to the front.
    pub fn put_back(&mut self, entry: Entry) {
        // Nothing searches for the number 0. It must be below all others
        let item = Item::Message(entry);
        self.front.push_front(Slot { seq: 0, item });
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.last_seq += 1;
        let (seq, item) = (self.last_seq, Item::Message(entry));
        self.tail.push_back(Slot { seq, item });
    }

    /// The number of the newest slot. The open message has none yet.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Whether the queue is empty.
    pub fn is_empty(&self) -> bool {
        self.disk.is_empty() && self.open.is_none() && self.zones().iter().all(|zone| zone.is_empty())
    }

    /// The sums of the whole lane. `bytes` and `stream` do not count blocks on the disk.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        self.zones().iter().for_each(|zone| sums.add(zone.sums()));
        sums.add(self.disk.sums());
        if let Some(open) = &self.open {
            sums.add(Sums::of(open.entry()));
            sums.bytes += open.added_len();
            sums.stream += open.added_len();
        }
        sums
    }

    /// Messages that were merged into another one or replaced by it.
    pub fn merged(&self) -> u64 {
        self.merged
    }

    /// Messages that the client's subprotocol cannot carry.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The memory zones in order.
    pub(super) fn zones(&self) -> [&Zone; 3] {
        [&self.front, &self.middle, &self.tail]
    }

    /// The memory zones in order, mutable.
    pub(super) fn zones_mut(&mut self) -> [&mut Zone; 3] {
        [&mut self.front, &mut self.middle, &mut self.tail]
    }

    /// The zone with the next slot. None: the next item is on the disk or is the open message.
    fn first(&mut self) -> Option<&mut Zone> {
        if self.front.is_empty() && !self.disk.is_empty() {
            return None;
        }
        self.zones_mut().into_iter().find(|zone| !zone.is_empty())
    }

    /// The next item to be sent, encoded for `protocol`.
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
                // `prepare` has removed it
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

    /// Prepares the next slot: removes holes, withdrawn announcements and messages that `protocol` cannot carry.
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

    /// Removes the message that `head` returned.
    pub fn pop(&mut self) -> Option<Entry> {
        if let Some(zone) = self.first() {
            return match zone.pop_front()?.item {
                Item::Message(entry) => Some(entry),
                Item::Gap(_) | Item::Hole => None,
            };
        }
        self.open.take().map(OpenMessage::close)
    }

    /// Makes the count of the gap that `head` returned final, because its notice is being written.
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

    /// Replaces the gap `seq` by a message. False: that gap is not next.
    pub fn fill_gap(&mut self, seq: u64, entry: Entry) -> bool {
        self.first().is_some_and(|zone| {
            let is_it = |slot: &Slot| slot.seq == seq && matches!(slot.item, Item::Gap(_));
            zone.front().is_some_and(is_it) && zone.change(0, |item| *item = Item::Message(entry)).is_some()
        })
    }

    /// Copies the frames of `source` in slots after `seq`, if together they are less than half of it: then most of `source` was
    /// merged, or is not for this client.
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
            open.frame_mut().unshare();
        }
    }

    /// Counts dropped messages.
    pub(super) fn count_dropped(&mut self, reason: Reason, count: Count) {
        let index = Reason::ALL.iter().position(|each| *each == reason).unwrap_or_default();
        if let Some(sum) = self.left_out.get_mut(index) {
            sum.add(count);
        }
    }

    /// Bytes of memory of all parents, those of unacknowledged messages included.
    pub fn parents(&self) -> u64 {
        self.parents.bytes()
    }

    /// Dropped messages for each reason, in the order of `Reason::ALL`.
    pub fn left_out(&self) -> [Count; Reason::ALL.len()] {
        self.left_out
    }

    /// Frees all queued messages. Returns the count of those on the disk.
    pub fn clear(&mut self) -> Count {
        self.zones_mut().into_iter().for_each(Zone::clear);
        let cleared = self.disk.clear();
        self.server_dropped += cleared.from_server;
        self.open = None;
        self.gap_index = GapIndex::default();
        cleared.dropped
    }
}

/// Whether this is an announcement with a number up to `upto`, which is not sent any more.
pub fn is_withdrawn(entry: &Entry, upto: u64) -> bool {
    entry.kind == Kind::Announcement && entry.text <= upto
}

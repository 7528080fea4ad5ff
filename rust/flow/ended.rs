//! A process that a client has asked to restart: its output that no client was sent makes way for that of the next one.
//!
//! Left out is what the process published on IOPub, and its prompts; replies stay, and so does what the server itself has
//! to say and what was written before. The boundary is the kernel's `header.session`: messages of the process that come
//! later, having waited in a socket, are left out too. One gap counts them all; it gets its place when something else
//! follows it. Cost: one look at each message that waits; one comparison a message afterwards.

use std::sync::Arc;

use bytes::Bytes;

use super::entry::{Count, Entry, Gap, Item, Parent, Reason, Slot};
use super::lane::{GapIndex, IopubLane};
use super::outbox::Outbox;
use super::process::Ended;
use super::rate_window::RateWindow;
use crate::batch::Message;

impl Outbox {
    /// The process that speaks as `session` is being replaced. Returns the blocks that nobody will ask for any more.
    pub fn end_process(&mut self, session: &[u8]) -> Vec<u64> {
        self.place_ended_gap();
        let (count, last, blocks) = self.iopub.drop_unsent(Reason::Restarted);
        self.rate = RateWindow::default();
        self.ended = Some(Ended::new(session, count, last.or_else(|| self.parent.upgrade())));
        blocks
    }

    /// The process that was replaced, or another one under the same session, is heard again: nothing more is left out.
    pub fn resume_process(&mut self) {
        self.place_ended_gap();
        self.ended = None;
    }

    /// Cursors a message of the process that was replaced.
    pub(super) fn drop_of_ended(&mut self, entry: &Entry, message: &Message, parts: &[Bytes]) {
        let count = Count::of_message(entry, parts);
        self.iopub.count_dropped(Reason::Restarted, count);
        if let Some(ended) = &mut self.ended {
            ended.count(count, message, parts, &self.iopub.parents);
        }
    }

    /// Puts the gap in its place: before what comes now.
    pub(super) fn place_ended_gap(&mut self) {
        let parents = &self.iopub.parents;
        if let Some(gap) = self.ended.as_mut().and_then(|ended| ended.take_gap(parents)) {
            self.iopub.push_gap(gap);
        }
    }
}

impl IopubLane {
    /// Leaves out all that ends with its process. Returns how much that was, with the gaps that it swallowed, the parent of
    /// the last message that has one, and the blocks that are not wanted any more.
    fn drop_unsent(&mut self, reason: Reason) -> (Count, Option<Arc<Parent>>, Vec<u64>) {
        self.close();
        let (mut own, mut told, mut last) = (Count::default(), Count::default(), None);
        let cleared = self.disk.clear();
        own.add(cleared.own);
        told.add(cleared.all);
        self.server_dropped += cleared.from_server;
        let mut kept = Vec::new();
        for zone in self.zones_mut() {
            for mut slot in zone.take_all() {
                match &mut slot.item {
                    Item::Message(entry) if entry.is_unsent_output() => {
                        let count = Count::measured(entry);
                        own.add(count);
                        told.add(count);
                        last = entry.parent.clone().or(last);
                    }
                    Item::Message(_) => kept.push(slot),
                    Item::Gap(gap) => {
                        told.add(gap.count);
                        last = Some(Arc::clone(&gap.parent));
                    }
                    Item::Hole => {}
                }
            }
        }
        for slot in kept {
            self.front.push_back(slot);
        }
        self.gap_index = GapIndex::default();
        self.count_dropped(reason, own);
        (told, last, cleared.blocks)
    }

    /// Appends a gap in which nothing more will be counted.
    fn push_gap(&mut self, gap: Gap) {
        self.close();
        self.last_seq += 1;
        let (seq, item) = (self.last_seq, Item::Gap(gap));
        self.tail.push_back(Slot { seq, item });
    }
}

#[cfg(test)]
mod tests;

//! Follows a log: what has changed after a cursor, in steps of a limited size, for a reader that stays.
//!
//! Each message and each gap comes with the messages and bytes that it stands for. So the reader can compare what it got with
//! what was appended, also if messages were dropped while it was reading. Cost: O(what it returns), and O(n log n) for n
//! displays that have changed.

use super::log::Log;
use super::read::{Output, output_of, weigh};
use crate::flow::entry::{Count, Item, Slot};

/// A message or a gap, with its cursor and what it counts for.
pub struct Piece {
    /// The cursor of a reader that has it.
    pub at: u64,
    /// None: messages are missing here.
    pub output: Option<Output>,
    /// The messages and bytes that it stands for.
    pub count: Count,
}

/// What a reader gets at once.
pub struct Step {
    /// Messages and gaps in order.
    pub pieces: Vec<Piece>,
    /// Displays that the reader had before this step, which have changed.
    pub updates: Vec<Output>,
    /// The cursor for the next step.
    pub next: u64,
    /// Whether there is nothing more after `next`.
    pub at_end: bool,
    /// The reader must forget what it has: `pieces` begin anew.
    pub cleared: bool,
    /// What was appended since the output was cleared last.
    pub appended: Count,
}

/// Reads what follows the cursor `since`: at least one piece or update, then up to `max_bytes` of content.
pub fn follow(log: &mut Log, since: u64, max_bytes: usize) -> Step {
    let end = log.end();
    let cleared = log.was_cleared(since);
    let since = if cleared { 0 } else { since.min(end) };
    let mut step = Step {
        pieces: Vec::new(),
        updates: Vec::new(),
        next: since,
        at_end: false,
        cleared,
        appended: log.appended(),
    };
    let mut room = max_bytes;
    let mut updates: Vec<(u64, &Slot)> = log.updates(since).collect();
    updates.sort_unstable_by_key(|(number, _)| *number);
    let mut updates = updates.into_iter().peekable();
    for slot in log.slots(since) {
        while let Some((number, display)) = updates.next_if(|(number, _)| *number < slot.seq) {
            if !step.update(number, display, &mut room) {
                return step;
            }
        }
        if !step.push(slot, &mut room) {
            return step;
        }
    }
    for (number, display) in updates {
        if !step.update(number, display, &mut room) {
            return step;
        }
    }
    (step.next, step.at_end) = (end, true);
    step
}

impl Step {
    /// Adds what is in a slot. False: there is no room.
    fn push(&mut self, slot: &Slot, room: &mut usize) -> bool {
        let (output, count) = match &slot.item {
            Item::Message(entry) => match weigh(entry) {
                Some(weighed) => (Some(weighed.output), weighed.count),
                None => return true,
            },
            Item::Gap(gap) => (None, gap.count),
            Item::Hole => return true,
        };
        let fits = self.has_room(output.as_ref(), room);
        if fits {
            let at = slot.seq;
            self.pieces.push(Piece { at, output, count });
            self.next = at;
        }
        fits
    }

    /// Adds a display that was changed by the update `number`. False: there is no room.
    fn update(&mut self, number: u64, display: &Slot, room: &mut usize) -> bool {
        let output = output_of(display);
        let fits = self.has_room(output.as_ref(), room);
        if fits {
            self.updates.extend(output);
            self.next = number;
        }
        fits
    }

    fn has_room(&self, output: Option<&Output>, room: &mut usize) -> bool {
        let len = output.map_or(0, |output| output.content.len());
        let fits = len <= *room || (self.pieces.is_empty() && self.updates.is_empty());
        *room = room.saturating_sub(len);
        fits
    }
}

#[cfg(test)]
mod tests;

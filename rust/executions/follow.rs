//! Follows a log: the output after a cursor in pieces of a limited size, for a reader that stays.
//!
//! Each message comes with what it counts for and each gap with what it stands for. So the reader can tell what it got from what
//! was appended, also if messages were dropped while it was reading. Cost: O(what it returns).

use super::log::Log;
use super::read::{Output, output_of, weigh};
use crate::flow::entry::{Count, Item};

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
    /// Displays that the reader has, which have changed. Empty while there is more to read.
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

/// Reads what follows the cursor `since`: at least one piece, then up to `max_bytes` of content.
pub fn follow(log: &mut Log, since: u64, max_bytes: usize) -> Step {
    let end = log.end();
    let cleared = log.was_cleared(since);
    let since = if cleared { 0 } else { since.min(end) };
    let mut step = Step {
        pieces: Vec::new(),
        updates: Vec::new(),
        next: end,
        at_end: true,
        cleared,
        appended: log.appended(),
    };
    let mut size = 0;
    for slot in log.slots(since) {
        let (output, count) = match &slot.item {
            Item::Message(entry) => match weigh(entry) {
                Some(weighed) => (Some(weighed.output), weighed.count),
                None => continue,
            },
            Item::Gap(gap) => (None, gap.count),
            Item::Hole => continue,
        };
        let len = output.as_ref().map_or(0, |output| output.content.len());
        if !step.pieces.is_empty() && size + len > max_bytes {
            step.at_end = false;
            break;
        }
        size += len;
        step.pieces.push(Piece {
            at: slot.seq,
            output,
            count,
        });
    }
    if step.at_end {
        step.updates = log.updates(since).filter_map(output_of).collect();
    } else if let Some(last) = step.pieces.last() {
        step.next = last.at;
    }
    step
}

//! Counts messages that a kernel sent and this server did not receive: numbers that are missing in the message ids.
//!
//! Kernels built on jupyter_client use the ids `<session>_<pid>_<n>`, where n counts the messages of the process on all
//! channels together. The channels are separate sockets, so numbers arrive out of order between them. A number counts as
//! lost only when IOPub has been beyond it for `GRACE` seconds.
//!
//! Some missing numbers are not losses. Replies to other clients are subtracted (`answers`). The number of a message's
//! parent counts as received, because ipykernel sends a request to itself, on no channel, to start the debugger. The result
//! is still only *suspected* losses: a hook in the kernel may discard a message after it got its number. Ids of another
//! form, such as random uuids, are ignored; so are messages before the first number on IOPub. Cost: one comparison of the id
//! and one of the number for each message. No messages are kept.

use super::answers::Answers;
use super::missing::MissingRanges;
use crate::batch::Batch;
use crate::kernel_wire::header::Fields;

/// The numbers of one kernel, over all its channels.
#[derive(Debug, Default)]
pub struct Numbers {
    /// `<session>_<pid>_` of the current process; empty before its first message.
    origin: Vec<u8>,
    /// The number after the highest one that arrived.
    next: u64,
    /// The highest number that arrived on IOPub.
    published: u64,
    missing: MissingRanges,
    answers: Answers,
    lost: u64,
}

impl Numbers {
    /// Handles the messages of a batch. Returns how many numbers were newly counted as lost.
    pub fn note(&mut self, batch: &Batch, now: f64) -> u64 {
        let published = batch.channel() == "iopub";
        for message in batch.messages() {
            if let Some(fields) = message.fields() {
                self.note_one(fields, published, now);
            }
        }
        self.settle(now)
    }

    /// Counts as lost what has been missing for long enough, and returns how many. `note` calls it; call it also while no batch
    /// arrives.
    pub fn settle(&mut self, now: f64) -> u64 {
        let before = self.lost;
        while let Some(range) = self.missing.take_settled(now, GRACE) {
            self.lost += range.len() - self.answers.explain(range.first, range.len());
        }
        self.lost - before
    }

    /// All numbers that were counted as lost.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn note_one(&mut self, fields: &Fields, published: bool, now: f64) {
        let Some(id) = &fields.header.msg_id else { return };
        let Some(number) = self.number(id.as_bytes(), fields, published) else {
            return;
        };
        self.arrive(number, published, now);
        if let Some(parent) = self.parent_number(fields) {
            self.missing.fill(parent);
        }
        self.answers.note(fields, published, number);
    }

    /// The number of a message of the current process. The first IOPub message of another process makes that the current one.
    fn number(&mut self, id: &[u8], fields: &Fields, published: bool) -> Option<u64> {
        if !self.origin.is_empty()
            && let Some(digits) = id.strip_prefix(&self.origin[..])
        {
            return parse(digits);
        }
        let (origin, number) = split(id, fields.header.session.as_ref()?.as_bytes())?;
        published.then(|| {
            self.origin = origin.to_vec();
            self.begin(number);
            number
        })
    }

    /// The number of a message's parent, if the kernel sent the parent itself.
    fn parent_number(&self, fields: &Fields) -> Option<u64> {
        let parent = fields.parent.msg_id.as_ref()?.as_bytes();
        parse(parent.strip_prefix(&self.origin[..])?)
    }

    fn begin(&mut self, number: u64) {
        self.next = number;
        self.published = number;
        self.missing.clear();
        self.answers.clear();
    }

    fn arrive(&mut self, number: u64, published: bool, now: f64) {
        if number == self.next {
            self.next += 1;
        } else if number < self.next {
            self.missing.fill(number);
        } else if number - self.next <= MAX_JUMP {
            self.missing.open(self.next, number - 1);
            self.next = number + 1;
        } else if published {
            self.begin(number);
            self.next += 1;
        }
        if published && number >= self.published {
            self.published = number;
            self.missing.pass(number, now);
        }
    }
}

/// Splits an id into `<session>_<pid>_` and its number. None: it has another form.
fn split<'a>(id: &'a [u8], session: &[u8]) -> Option<(&'a [u8], u64)> {
    let rest = id.strip_prefix(session)?.strip_prefix(b"_")?;
    let end_of_pid = rest.iter().position(|byte| *byte == b'_')?;
    parse(rest.get(..end_of_pid)?)?;
    let number = parse(rest.get(end_of_pid + 1..)?)?;
    Some((id.get(..session.len() + end_of_pid + 2)?, number))
}

/// A decimal number of at most `MAX_DIGITS` digits.
fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return None;
    }
    digits.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| 10 * number + u64::from(*byte - b'0'))
    })
}

/// Seconds that IOPub must have been beyond a number before it counts as lost. Replies on other sockets are not that late.
pub const GRACE: f64 = 5.0;

/// A larger step is not a loss: the kernel has set its counter. It is more than a kernel sends in minutes.
const MAX_JUMP: u64 = 1 << 24;

/// Numbers of so many digits, and their successors, fit into 64 bits.
const MAX_DIGITS: usize = 18;

#[cfg(test)]
mod tests;

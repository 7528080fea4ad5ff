//! Messages that a kernel has sent and that never came: gaps in the numbers of its message ids.
//!
//! Kernels built on jupyter_client name their messages `<session>_<pid>_<n>`, where n counts what the process sends on all
//! channels together. The channels are independent sockets, so numbers arrive out of order between them; a number counts
//! as lost only when IOPub has been beyond it for `GRACE` seconds. Replies to somebody else explain their numbers
//! (`answers`), and a message that others answer explains its own: ipykernel asks itself to start the debugger, and that
//! request is on no channel. What remains is *suspected*: a hook in the kernel that swallows a message after it was numbered looks the
//! same. Other ids (a random uuid a message) say nothing and are ignored; so is everything before the first number that
//! was published. Cost: one comparison of the id and one of the number a message; nothing is kept of a message.

use super::answers::Answers;
use super::missing::MissingRanges;
use crate::batch::Batch;
use crate::kernel_wire::header::Fields;

/// The numbers of one kernel, over all its channels.
#[derive(Debug, Default)]
pub struct Numbers {
    /// `<session>_<pid>_` of the present process; empty before its first message.
    origin: Vec<u8>,
    next: u64,
    published: u64,
    missing: MissingRanges,
    answers: Answers,
    lost: u64,
}

impl Numbers {
    /// Looks at the messages of a batch; returns how many were newly found to be lost.
    pub fn note(&mut self, batch: &Batch, now: f64) -> u64 {
        let published = batch.channel() == "iopub";
        for message in batch.messages() {
            if let Some(fields) = message.fields() {
                self.note_one(fields, published, now);
            }
        }
        self.settle(now)
    }

    /// The same when nothing came: what has been missing for long enough by now.
    pub fn settle(&mut self, now: f64) -> u64 {
        let before = self.lost;
        while let Some(range) = self.missing.take_settled(now, GRACE) {
            self.lost += range.len() - self.answers.explain(range.first, range.len());
        }
        self.lost - before
    }

    /// All that were found to be lost so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn note_one(&mut self, fields: &Fields, published: bool, now: f64) {
        let Some(id) = &fields.header.msg_id else { return };
        let Some(number) = self.number(id.as_bytes(), fields, published) else {
            return;
        };
        self.arrive(number, published, now);
        if let Some(asked) = self.asked_of_itself(fields) {
            self.missing.fill(asked);
        }
        self.answers.note(fields, published, number);
    }

    /// The number of a message of the present process. Another process begins with what it publishes first.
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

    /// The number of a message's parent, if the kernel has sent that too.
    fn asked_of_itself(&self, fields: &Fields) -> Option<u64> {
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

/// `<session>_<pid>_` and the number of an id that is made so.
fn split<'a>(id: &'a [u8], session: &[u8]) -> Option<(&'a [u8], u64)> {
    let rest = id.strip_prefix(session)?.strip_prefix(b"_")?;
    let end_of_pid = rest.iter().position(|byte| *byte == b'_')?;
    parse(rest.get(..end_of_pid)?)?;
    let number = parse(rest.get(end_of_pid + 1..)?)?;
    Some((id.get(..session.len() + end_of_pid + 2)?, number))
}

/// A decimal number that leaves room for the next one.
fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return None;
    }
    digits.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| 10 * number + u64::from(*byte - b'0'))
    })
}

/// Seconds that IOPub must have been beyond a number: a reply on another socket is not that late.
pub const GRACE: f64 = 5.0;

/// A larger step is no loss but a counter that was set: minutes of messages as fast as a kernel can make them.
const MAX_JUMP: u64 = 1 << 24;

/// 10^18 fits into 64 bits.
const MAX_DIGITS: usize = 18;

#[cfg(test)]
mod tests;

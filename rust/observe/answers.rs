//! Which requests were answered where nobody here reads: each of them explains one number that is missing.
//!
//! A kernel publishes `idle` after every request, whoever sent it, and sends one reply, to the sender alone. A client that
//! is connected to the kernel directly, a session that has ended and the server's own probes get replies that no session's
//! socket brings. Memory is bounded. Cost: a look at the latest few replies a request.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::kernel_wire::header::{Fields, Text};

/// Replies and ends of requests that wait for each other, the latest ones.
#[derive(Debug, Default)]
pub struct Answers {
    /// Whose reply came, and whose idle has not yet.
    replied: VecDeque<u64>,
    /// Whose idle came, with its number, and whose reply has not.
    unanswered: VecDeque<(u64, u64)>,
}

impl Answers {
    /// Looks at a message with this number.
    pub fn note(&mut self, fields: &Fields, published: bool, number: u64) {
        let Some(request) = &fields.parent.msg_id else { return };
        if published {
            let idle = fields.execution_state.as_ref().map(Text::as_bytes) == Some(b"idle");
            if idle && ends_with(fields.parent.msg_type.as_ref(), b"_request") {
                self.ended(digest(request), number);
            }
        } else if ends_with(Some(&fields.header.msg_type), b"_reply") {
            self.answered(digest(request));
        }
    }

    fn ended(&mut self, request: u64, number: u64) {
        if let Some(at) = self.replied.iter().rposition(|known| *known == request) {
            self.replied.remove(at);
        } else {
            keep(&mut self.unanswered, (request, number));
        }
    }

    fn answered(&mut self, request: u64) {
        if let Some(at) = self.unanswered.iter().rposition(|(known, _)| *known == request) {
            self.unanswered.remove(at);
        } else {
            keep(&mut self.replied, request);
        }
    }

    /// How many of `most` missing numbers, the first of which is `first`, are replies to somebody else; each counts once.
    pub fn explain(&mut self, first: u64, most: u64) -> u64 {
        let mut explained = 0;
        self.unanswered.retain(|(_, idle)| {
            let explains = explained < most && *idle > first;
            explained += u64::from(explains);
            !explains
        });
        explained
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.replied.clear();
        self.unanswered.clear();
    }
}

fn keep<T>(queue: &mut VecDeque<T>, newest: T) {
    if queue.len() >= MAX_WAITING {
        queue.pop_front();
    }
    queue.push_back(newest);
}

fn digest(id: &Text) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.as_bytes().hash(&mut hasher);
    hasher.finish()
}

fn ends_with(name: Option<&Text>, end: &[u8]) -> bool {
    name.is_some_and(|name| name.as_bytes().ends_with(end))
}

/// Requests whose reply or idle has not come yet; a queue of cells is far shorter.
const MAX_WAITING: usize = 512;

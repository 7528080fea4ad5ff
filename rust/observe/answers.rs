//! Finds requests whose reply went to another client. Each of them explains one missing number.
//!
//! A kernel publishes `idle` after every request, but sends the reply only to the client that sent the request. The sessions of
//! this server do not get replies to clients that are connected to the kernel directly, to ended sessions, to requests over HTTP
//! and to the server's probes. Memory is bounded. Cost: a search among the latest few requests for each request.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::kernel_wire::header::{Fields, Text};

/// The latest requests of which only the reply or only the `idle` was received.
#[derive(Debug, Default)]
pub struct Answers {
    /// Requests with a reply and no `idle` yet.
    replied: VecDeque<u64>,
    /// Requests with an `idle` and no reply yet, each with the number of its `idle`.
    unanswered: VecDeque<(u64, u64)>,
}

impl Answers {
    /// Handles a message with this number. `published`: it arrived on IOPub.
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

    /// How many of the missing numbers can be replies to other clients. `first` is the lowest of them, `most` their count. Each
    /// request explains one number and is then removed.
    pub fn explain(&mut self, first: u64, most: u64) -> u64 {
        let mut explained = 0;
        self.unanswered.retain(|(_, idle)| {
            let explains = explained < most && *idle > first;
            explained += u64::from(explains);
            !explains
        });
        explained
    }

    /// Removes all requests.
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

/// The most requests that each queue keeps: far more than the cells that a kernel usually has queued.
const MAX_WAITING: usize = 512;

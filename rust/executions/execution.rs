//! One execution: its request, its state and its log.
//!
//! ```text
//! queued --busy, execute_input--> running --idle--> done (ok, error or aborted)
//!    \-------------------------------\---process ended--> lost
//! ```
//!
//! A kernel that aborts a request sends an idle without an `execute_input`. The reply has its own socket, so it may arrive
//! before or after the idle; it corrects the status.

use bytes::Bytes;

use super::log::Log;
use super::request::Request;
use crate::flow::entry::Entry;
use crate::json;
use crate::reader::wide;

/// The state of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The kernel has not begun it.
    Queued,
    /// The kernel runs it.
    Running,
    /// It has ended.
    Done,
    /// Its process ended before it did.
    Lost,
}

/// How an execution has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Without an error.
    Ok,
    /// With an error.
    Error,
    /// The kernel did not run it, because one before it failed.
    Aborted,
}

/// What happens to an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The kernel sent a busy status or an `execute_input` for it.
    Begins,
    /// The kernel sent an idle status for it.
    Idle,
    /// The kernel's process has ended.
    ProcessEnds,
}

impl State {
    /// The state after an event.
    #[must_use]
    pub fn after(self, event: Event) -> Self {
        match (self, event) {
            (Self::Queued, Event::Begins) => Self::Running,
            (Self::Queued | Self::Running, Event::Idle) => Self::Done,
            (Self::Queued | Self::Running, Event::ProcessEnds) => Self::Lost,
            (state, _) => state,
        }
    }

    /// Whether nothing more can happen to it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Lost)
    }

    /// Its name in the HTTP API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Lost => "lost",
        }
    }
}

impl Status {
    /// The status that an `execute_reply` names. Kernels of older protocols write `abort`.
    fn of_reply(name: &str) -> Option<Self> {
        match name {
            "ok" => Some(Self::Ok),
            "error" => Some(Self::Error),
            "aborted" | "abort" => Some(Self::Aborted),
            _ => None,
        }
    }

    /// Its name in the HTTP API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Aborted => "aborted",
        }
    }
}

/// An `input_request` that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Its `msg_id`; empty if it has none.
    pub id: Box<str>,
    /// The header, as the kernel wrote it.
    pub header: Bytes,
    /// The content.
    pub content: Bytes,
}

impl Prompt {
    fn memory(&self) -> usize {
        self.id.len() + self.header.len() + self.content.len()
    }
}

/// One execution.
pub struct Execution {
    /// What was asked for.
    pub request: Request,
    /// The user who asked; None if the server does not tell users apart.
    pub owner: Option<Box<str>>,
    /// The session that asked: a client's session id.
    pub session: Box<str>,
    /// Its state.
    pub state: State,
    /// The `execution_count`.
    pub count: Option<u64>,
    /// Seconds since the epoch: when it was submitted, begun, ended.
    pub times: [Option<f64>; 3],
    /// Its output.
    pub log: Log,
    /// The prompt that waits for an answer.
    pub prompt: Option<Prompt>,
    reply: Option<Status>,
    replied: bool,
    reply_message: Option<Entry>,
    shown: bool,
    failed: bool,
}

impl Execution {
    /// An execution that was submitted at `now`.
    pub fn new(request: Request, owner: Option<&str>, session: &str, now: f64) -> Self {
        let mut log = Log::default();
        log.touch();
        Self {
            request,
            owner: owner.map(Box::from),
            session: session.into(),
            state: State::Queued,
            count: None,
            times: [Some(now), None, None],
            log,
            prompt: None,
            reply: None,
            replied: false,
            reply_message: None,
            shown: false,
            failed: false,
        }
    }

    /// Applies an event.
    pub fn on(&mut self, event: Event, now: f64) {
        let after = self.state.after(event);
        if after == self.state {
            return;
        }
        self.state = after;
        self.log.touch();
        let [_, started, finished] = &mut self.times;
        if after.is_over() {
            *finished = Some(now);
            self.prompt = None;
            // No text is expected any more, so its buffer needs no room
            self.log.end();
        } else {
            *started = Some(now);
        }
    }

    /// The kernel shows the source that it runs: `execute_input`.
    pub fn begin(&mut self, content: &[u8], now: f64) {
        self.shown = true;
        self.count = count_in(content).or(self.count);
        self.log.touch();
        self.on(Event::Begins, now);
    }

    /// The kernel asks for input.
    pub fn ask(&mut self, prompt: Prompt) {
        self.prompt = Some(prompt);
        self.log.touch();
    }

    /// Removes the prompt.
    pub fn take_prompt(&mut self) -> Option<Prompt> {
        let prompt = self.prompt.take()?;
        self.log.touch();
        Some(prompt)
    }

    /// The kernel has published an error.
    pub fn fail(&mut self) {
        self.failed = true;
    }

    /// Reads an `execute_reply`, and keeps it for a page that takes the execution over, unless it is large.
    pub fn reply(&mut self, content: &[u8], mut message: Entry) {
        let status = json::member(content, b"status").and_then(json::decode_string);
        self.reply = status.and_then(|name| Status::of_reply(&name)).or(self.reply);
        self.count = self.count.or_else(|| count_in(content));
        self.replied = true;
        if message.frame.len() <= REPLY_KEPT {
            message.frame.detach();
            self.reply_message = Some(message);
        }
        self.log.touch();
    }

    /// Whether the kernel has not replied and still may. The reply can arrive after the idle.
    pub fn awaits_reply(&self) -> bool {
        !self.replied && self.state != State::Lost
    }

    /// The kernel's reply, if it is kept.
    pub fn reply_message(&self) -> Option<&Entry> {
        self.reply_message.as_ref()
    }

    /// The status in the kernel's reply.
    pub fn reply_status(&self) -> Option<Status> {
        self.reply
    }

    /// How it has ended; None while it has not.
    pub fn status(&self) -> Option<Status> {
        let seen = match (self.failed, self.shown) {
            (true, _) => Status::Error,
            (false, true) => Status::Ok,
            (false, false) => Status::Aborted,
        };
        (self.state == State::Done).then(|| self.reply.unwrap_or(seen))
    }

    /// Bytes of memory.
    pub fn memory(&self) -> u64 {
        let ids = self.request.id.len() + self.request.cell_id.as_ref().map_or(0, |id| id.len());
        let asker = self.session.len() + self.owner.as_ref().map_or(0, |owner| owner.len());
        let prompt = self.prompt.as_ref().map_or(0, Prompt::memory);
        let reply = self
            .reply_message
            .as_ref()
            .map_or(0, |reply| reply.frame.len() + REPLY_UPKEEP);
        self.log.memory() + wide(2 * ids + asker + prompt + reply + size_of::<Self>() + UPKEEP)
    }
}

/// The `execution_count` in a content.
fn count_in(content: &[u8]) -> Option<u64> {
    let value = json::member(content, b"execution_count")?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Bytes. A larger reply is not kept: its `user_expressions` are of no use to another page.
const REPLY_KEPT: usize = 64 * 1024;

/// Bytes of the `Source` of a reply, and of the overhead of the allocator.
const REPLY_UPKEEP: usize = 192;

/// Bytes of an execution's entries in the indexes of its journal, and of the overhead of the allocator.
const UPKEEP: usize = 768;

#[cfg(test)]
mod tests;

//! Replays an execution for a page that takes it over: the messages from which the page shows what it would have shown itself.
//!
//! ```text
//! running: clear_output, the log, the prompt if one is open, the reply if it has come
//! over:    clear_output, the log, the reply, the status idle
//! ```
//!
//! The page has a future for the request's `msg_id`, so every message has this parent. The `msg_id`s are fresh, because a page
//! drops a message that it has seen. `header.session` is that of the kernel's present process, because JupyterLab discards
//! messages of another one. Only a prompt keeps its header: its answer names it.
//! Must not change the execution. Cost: one copy of the log.

use std::borrow::Cow;

use bytes::Bytes;

use super::execution::{Execution, Status};
use super::log::Log;
use super::read::output_of;
use crate::client_wire::Protocol;
use crate::flow::entry::{Count, Entry, Item, Kind};
use crate::flow::frame::Frame;
use crate::flow::pacing::Class;
use crate::flow::transcode;
use crate::json::{self, quoted};
use crate::kernel_wire::header::Header;

/// What the messages of a replay have in common.
#[derive(Clone, Copy)]
pub struct Voice<'a> {
    /// `header.session` of the kernel's process.
    pub session: &'a str,
    /// The beginning of each new `msg_id`.
    pub ids: &'a str,
    /// `header.date` of messages that are not the kernel's.
    pub date: &'a str,
    /// The text in place of missing output, with `{messages}` and `{bytes}` where the numbers belong.
    pub notice: &'a str,
}

/// The messages of an execution, in order.
pub fn replay<'a>(execution: &Execution, voice: Voice<'a>) -> Replay<'a> {
    let mut replay = Replay::new(execution, voice);
    replay.log(&execution.log);
    if let Some(prompt) = &execution.prompt {
        let header = prompt.header.clone();
        replay.push("stdin", Kind::Prompt, header, prompt.content.clone());
    }
    let over = execution.state.is_over();
    // A kernel replies before its idle, so the reply may have come already
    if over || !execution.awaits_reply() {
        replay.reply(execution);
    }
    if over {
        replay.own("status", r#"{"execution_state":"idle"}"#);
    }
    replay
}

/// The reply alone, for a page that has the output.
pub fn reply<'a>(execution: &Execution, voice: Voice<'a>) -> Replay<'a> {
    let mut replay = Replay::new(execution, voice);
    replay.reply(execution);
    replay
}

/// Messages for a page. Append them with `Outbox::append_replay`.
pub struct Replay<'a> {
    voice: Voice<'a>,
    /// The id of the request.
    pub id: Box<str>,
    /// A header of the request: the parent of messages that are not the kernel's.
    pub parent: Bytes,
    /// The messages in order, encoded for v1.
    pub messages: Vec<Entry>,
    /// Whether the kernel's messages get this parent too, and not their own.
    reparents: bool,
}

impl<'a> Replay<'a> {
    fn new(execution: &Execution, voice: Voice<'a>) -> Self {
        Self::to(&execution.request.id, "execute_request", &execution.session, voice)
    }

    /// An empty replay for whom waits for the answers to a request of this id, type and session.
    pub(super) fn to(id: &str, msg_type: &str, session: &str, voice: Voice<'a>) -> Self {
        let parent = format!(
            r#"{{"msg_id":{},"msg_type":"{msg_type}","username":"","session":{},"date":{},"version":"5.3"}}"#,
            quoted(id),
            quoted(session),
            quoted(voice.date)
        );
        Self {
            voice,
            id: id.into(),
            parent: Bytes::from(parent),
            messages: Vec::new(),
            reparents: false,
        }
    }

    fn log(&mut self, log: &Log) {
        // With `wait` a page shows its old output until the new one is there. Without new output nothing would remove it
        let any = log.slots(0).next().is_some();
        self.clear(any);
        self.output(log);
    }

    /// Adds what a widget has captured, with the parent of this replay.
    pub(super) fn captured(&mut self, log: &Log) {
        self.reparents = true;
        self.output(log);
        self.reparents = false;
    }

    fn output(&mut self, log: &Log) {
        let kept = log.slots(0).fold(Count::default(), |mut kept, slot| {
            match &slot.item {
                Item::Message(entry) => kept.add(Count::of(entry)),
                Item::Gap(gap) => kept.add(gap.count),
                Item::Hole => {}
            }
            kept
        });
        // Counts what was dropped together with its gap: it was appended, but is in no slot
        let appended = log.appended();
        let (messages, bytes) = (
            appended.messages.saturating_sub(kept.messages),
            appended.bytes.saturating_sub(kept.bytes),
        );
        self.gap(Count { messages, bytes });
        for slot in log.slots(0) {
            match &slot.item {
                Item::Message(entry) => self.logged(entry),
                Item::Gap(gap) => self.gap(gap.count),
                Item::Hole => {}
            }
        }
        if log.clears_next() {
            self.clear(true);
        }
    }

    /// Adds a message of the log with another header.
    fn logged(&mut self, entry: &Entry) {
        let Ok(message) = transcode::decode(entry) else {
            return;
        };
        let mut parts = message.parts;
        let [header, parent, ..] = &mut parts[..] else { return };
        let Ok(known) = Header::read(header) else { return };
        if entry.parent.is_some() {
            *header = self.header_like(header);
            if self.reparents {
                *parent = self.parent.clone();
            }
        } else {
            // A message of the server itself
            (*header, *parent) = (self.header(known.msg_type.as_str()), self.parent.clone());
        }
        let kind = match Kind::of(known.msg_type.as_str()) {
            // The length of the text is known only for entries that the log keeps as `Stream`, so an outbox may cut only these
            Kind::Stream if entry.kind != Kind::Stream => Kind::Plain,
            kind => kind,
        };
        self.frame("iopub", kind, &parts);
        if let Some(last) = self.messages.last_mut() {
            last.messages = entry.messages;
            last.text = if kind == Kind::Stream { entry.text } else { 0 };
        }
    }

    fn gap(&mut self, count: Count) {
        if count == Count::default() {
            return;
        }
        let text = self.voice.notice.replace("{messages}", &count.messages.to_string());
        let text = text.replace("{bytes}", &count.bytes.to_string());
        self.own("stream", &format!(r#"{{"name":"stderr","text":{}}}"#, quoted(&text)));
    }

    fn clear(&mut self, wait: bool) {
        self.own("clear_output", &format!(r#"{{"wait":{wait}}}"#));
    }

    /// Adds the kernel's reply; if the journal does not have it, one made from what it knows.
    fn reply(&mut self, execution: &Execution) {
        if let Some(mut kept) = execution
            .reply_message()
            .and_then(|reply| transcode::decode(reply).ok())
        {
            if let Some(header) = kept.parts.first_mut() {
                *header = self.header_like(header);
            }
            return self.frame("shell", Kind::Plain, &kept.parts);
        }
        let count = execution
            .count
            .map_or_else(|| "null".to_owned(), |count| count.to_string());
        let content = match execution.status().or(execution.reply_status()) {
            Some(Status::Ok) => {
                format!(r#"{{"status":"ok","execution_count":{count},"payload":[],"user_expressions":{{}}}}"#)
            }
            Some(Status::Error) => {
                let error = last_error(&execution.log);
                format!(r#"{{"status":"error","execution_count":{count},{error}}}"#)
            }
            Some(Status::Aborted) | None => r#"{"status":"aborted"}"#.to_owned(),
        };
        let header = self.header("execute_reply");
        self.push("shell", Kind::Plain, header, Bytes::from(content));
    }

    /// Adds a message of the server's own on IOPub.
    pub(super) fn own(&mut self, msg_type: &str, content: &str) {
        let header = self.header(msg_type);
        self.push("iopub", Kind::Plain, header, Bytes::copy_from_slice(content.as_bytes()));
    }

    /// Adds a message of the server's own on IOPub that has buffers.
    pub(super) fn with_buffers(&mut self, msg_type: &str, metadata: Bytes, content: Bytes, buffers: Vec<Bytes>) {
        let mut parts = vec![self.header(msg_type), self.parent.clone(), metadata, content];
        parts.extend(buffers);
        self.frame("iopub", Kind::Plain, &parts);
    }

    fn push(&mut self, channel: &str, kind: Kind, header: Bytes, content: Bytes) {
        let parts = [header, self.parent.clone(), Bytes::from_static(b"{}"), content];
        self.frame(channel, kind, &parts);
    }

    fn frame(&mut self, channel: &str, kind: Kind, parts: &[Bytes]) {
        let mut entry = Entry::plain(Frame::of_parts(channel, parts), Protocol::V1, Class::Exempt);
        entry.kind = kind;
        self.messages.push(entry);
    }

    fn header(&self, msg_type: &str) -> Bytes {
        let (id, session, date) = (self.next_id(), quoted(self.voice.session), quoted(self.voice.date));
        let header = format!(
            r#"{{"msg_id":{id},"msg_type":"{msg_type}","username":"kernelws","session":{session},"date":{date},"version":"5.3"}}"#
        );
        Bytes::from(header)
    }

    /// The header of a kernel's message with a new id and the present session.
    fn header_like(&self, header: &[u8]) -> Bytes {
        let mut made = format!(
            r#"{{"msg_id":{},"session":{}"#,
            self.next_id(),
            quoted(self.voice.session)
        )
        .into_bytes();
        let read = json::members(header, |key, value| {
            let kept: &[u8] = match key {
                b"msg_type" => br#","msg_type":"#,
                b"username" => br#","username":"#,
                b"date" => br#","date":"#,
                b"version" => br#","version":"#,
                _ => return,
            };
            made.extend_from_slice(kept);
            made.extend_from_slice(value);
        });
        debug_assert!(read.is_ok(), "the header was read before");
        made.push(b'}');
        Bytes::from(made)
    }

    fn next_id(&self) -> String {
        quoted(&format!("{}_{}", self.voice.ids, self.messages.len()))
    }
}

/// The members `ename`, `evalue` and `traceback` of the last error in a log.
fn last_error(log: &Log) -> String {
    let outputs = log.slots(0).filter_map(output_of);
    let error = outputs
        .filter(|output| matches!(&*output.msg_type, "error" | "pyerr"))
        .last();
    let content = error.map_or_else(Bytes::new, |error| error.content);
    let member = |name, default| json::member(&content, name).map_or(Cow::Borrowed(default), String::from_utf8_lossy);
    format!(
        r#""ename":{},"evalue":{},"traceback":{}"#,
        member(b"ename", r#""""#),
        member(b"evalue", r#""""#),
        member(b"traceback", "[]")
    )
}

#[cfg(test)]
mod tests;

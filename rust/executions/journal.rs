//! The journal: the executions of one kernel, in the order of their requests.
//!
//! It is fed with the requests that clients send and with every batch that the kernel publishes. A message belongs to the
//! execution whose id its parent_header names; others are skipped. An update changes the displays that it names, whichever
//! execution showed them. `limits` forgets executions and drops output.
//! Cost: one lookup, and one count of the memory, for each run of messages with the same parent; see `Log` for the output.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::displays::{self, Displays, Update};
use super::execution::{Event, Execution, Prompt};
use super::finished::Finished;
use super::request::Request;
use crate::batch::{Batch, Message};
use crate::flow::entry::Entry;
use crate::flow::frame::{Encoded, Frame};
use crate::flow::pacing::Class;
use crate::json;
use crate::kernel_wire::header::Text;

/// The limits of a journal. Each comes from a trait.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The most executions.
    pub executions: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of text of one execution; 0: no limit.
    pub text: u64,
    /// Seconds that a finished execution is kept.
    pub age: f64,
}

/// Messages of a batch in a row with the same parent, each with the place of its frame.
#[derive(Default)]
struct Run<'a> {
    /// The execution that is their parent, if it is kept.
    number: Option<u64>,
    messages: Vec<(&'a Message, Range<usize>)>,
}

/// The executions of one kernel.
#[derive(Default)]
pub struct Journal {
    pub(super) config: Config,
    pub(super) executions: BTreeMap<u64, Box<Execution>>,
    /// The number of each id.
    numbers: HashMap<Box<str>, u64>,
    /// The numbers of the executions of each cell.
    pub(super) cells: BTreeSet<(Box<str>, u64)>,
    displays: Displays,
    last: u64,
    /// No execution is too old before this time.
    pub(super) due: f64,
    /// Bytes of memory of the executions.
    logs: u64,
    finished: Finished,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            executions: 1000,
            memory: 32 << 20,
            text: 4 << 20,
            age: 86400.0,
        }
    }
}

impl Journal {
    /// Records a request. False: it is not kept, since its id is known already, or only open executions fill the journal.
    pub fn submit(&mut self, request: Request, owner: Option<&str>, session: &str, now: f64) -> bool {
        self.forget_old(now);
        if self.numbers.contains_key(&request.id) {
            return false;
        }
        if let Some(cell) = &request.cell_id {
            self.forget_runs_of(cell, owner);
        }
        while self.executions.len() >= self.config.executions {
            if !self.forget_oldest() {
                return false;
            }
        }
        self.last += 1;
        let number = self.last;
        self.numbers.insert(request.id.clone(), number);
        self.cells.extend(request.cell_id.clone().map(|cell| (cell, number)));
        let execution = Box::new(Execution::new(request, owner, session, now));
        self.logs += execution.memory();
        self.executions.insert(number, execution);
        self.enforce();
        if self.is_full() {
            self.remove(number);
        }
        self.executions.contains_key(&number)
    }

    /// Takes the messages of a batch of any channel, encoded for either subprotocol. Returns the executions that have changed.
    pub fn append(&mut self, batch: &Batch, encoded: &Encoded, now: f64) -> Vec<u64> {
        let mut changed = BTreeSet::new();
        let is_iopub = batch.channel() == "iopub";
        let mut run = Run::default();
        let mut parent: Option<Text> = None;
        let mut from = 0;
        for (message, end) in batch.messages().iter().zip(&encoded.ends) {
            let place = std::mem::replace(&mut from, *end)..*end;
            if is_iopub && message.is("update_display_data") {
                self.take(&mut run, batch, encoded, now);
                self.update(content_of(batch.parts(message)), &mut changed);
                continue;
            }
            let id = message.fields().and_then(|fields| fields.parent.msg_id.as_ref());
            if id != parent.as_ref() {
                self.take(&mut run, batch, encoded, now);
                parent = id.cloned();
                run.number = id.and_then(|id| self.number(id.as_str()));
                changed.extend(run.number);
            }
            if run.number.is_some() {
                run.messages.push((message, place));
            }
        }
        self.take(&mut run, batch, encoded, now);
        self.enforce();
        changed.into_iter().collect()
    }

    /// Takes the messages of a run, and empties it.
    fn take(&mut self, run: &mut Run<'_>, batch: &Batch, encoded: &Encoded, now: f64) {
        let (Some(number), false) = (run.number, run.messages.is_empty()) else {
            return;
        };
        let (text_limit, is_iopub) = (self.config.text, batch.channel() == "iopub");
        let mut displays = Vec::new();
        let gone = self.with(number, |execution| {
            for (message, place) in run.messages.drain(..) {
                let is_text = is_iopub && message.is("stream");
                if is_text
                    && execution
                        .log
                        .join(message, batch.parts(message), encoded, &place, text_limit)
                {
                    continue;
                }
                let frame = Frame::new(&encoded.source, place.start, place.end);
                let entry = Entry::plain(frame, encoded.protocol, Class::Exempt);
                let shown = execution.take(batch, message, entry, text_limit, now);
                displays.extend(shown);
            }
            execution.log.gone()
        });
        for (id, seq) in displays {
            if gone.is_some_and(|gone| gone < seq) {
                self.displays.add(&id, (number, seq));
            }
        }
    }

    /// Appends a message of the server to the output of an execution.
    pub fn append_own(&mut self, number: u64, frame: Frame) {
        self.with(number, |execution| execution.log.append_own(frame));
        self.enforce();
    }

    /// Changes the displays that an update names.
    fn update(&mut self, content: &[u8], changed: &mut BTreeSet<u64>) {
        let Some(update) = Update::read(content) else {
            return;
        };
        for (number, seq) in self.displays.places(&update.id) {
            let is_new = self.with(number, |execution| {
                execution.log.update(seq, |entry| update.apply(entry))
            });
            if is_new == Some(true) {
                changed.insert(number);
            }
        }
    }

    /// The process has ended: what was open is lost. Returns the executions that have changed.
    pub fn process_ended(&mut self, now: f64) -> Vec<u64> {
        let open = self.iter().filter(|(_, execution)| !execution.state.is_over());
        let open: Vec<u64> = open.map(|(number, _)| number).collect();
        for number in &open {
            self.with(*number, |execution| execution.on(Event::ProcessEnds, now));
        }
        open
    }

    /// The execution that waits at the prompt `id`.
    pub fn waits_at(&self, id: &str) -> Option<u64> {
        let waits = |execution: &Execution| execution.prompt.as_ref().is_some_and(|prompt| &*prompt.id == id);
        self.iter()
            .find(|(_, execution)| waits(execution))
            .map(|(number, _)| number)
    }

    /// Takes the prompt of an execution, which is answered now. `shown`: a `stream` with question and answer.
    pub fn take_prompt(&mut self, number: u64, shown: Frame) -> Option<Prompt> {
        let prompt = self.with(number, |execution| {
            let prompt = execution.take_prompt()?;
            execution.log.append_own(shown);
            Some(prompt)
        });
        self.enforce();
        prompt.flatten()
    }

    /// The number of an execution.
    pub fn number(&self, id: &str) -> Option<u64> {
        self.numbers.get(id).copied()
    }

    /// An execution.
    pub fn get(&self, number: u64) -> Option<&Execution> {
        self.executions.get(&number).map(|execution| &**execution)
    }

    /// Runs `work` on an execution, and counts what this changes: its memory, and the displays that are gone.
    pub fn with<T>(&mut self, number: u64, work: impl FnOnce(&mut Execution) -> T) -> Option<T> {
        let execution = self.executions.get_mut(&number)?;
        let (memory, gone, was_over) = (execution.memory(), execution.log.gone(), execution.state.is_over());
        let result = work(execution);
        if !was_over && execution.state.is_over() {
            self.finished.add(execution);
        }
        self.logs = self.logs + execution.memory() - memory;
        if execution.log.gone() > gone {
            self.displays.forget(number, 0..=execution.log.gone());
        }
        Some(result)
    }

    /// All executions, newest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Execution)> {
        self.executions
            .iter()
            .rev()
            .map(|(number, execution)| (*number, &**execution))
    }

    /// The executions that have ended so far, also those that were forgotten since.
    pub fn finished(&self) -> &Finished {
        &self.finished
    }

    /// Whether no execution is kept.
    pub fn is_empty(&self) -> bool {
        self.executions.is_empty()
    }

    /// The number of the newest execution so far.
    pub fn newest(&self) -> u64 {
        self.last
    }

    /// Forgets an execution. False: it is not known.
    pub fn remove(&mut self, number: u64) -> bool {
        let Some(execution) = self.executions.remove(&number) else {
            return false;
        };
        self.logs -= execution.memory();
        self.numbers.remove(&execution.request.id);
        if let Some(cell) = execution.request.cell_id {
            self.cells.remove(&(cell, number));
        }
        self.displays.forget(number, 0..=u64::MAX);
        true
    }

    /// Bytes of memory.
    pub fn memory(&self) -> u64 {
        self.logs + self.displays.memory()
    }
}

fn content_of(parts: &[Bytes]) -> &[u8] {
    parts.get(3).map_or(&b""[..], |content| content)
}

impl Execution {
    /// Takes one message. Returns id and place of a display. Kernels of protocol 4 have other names for some types.
    fn take(
        &mut self,
        batch: &Batch,
        message: &Message,
        entry: Entry,
        text_limit: u64,
        now: f64,
    ) -> Option<(Arc<[u8]>, u64)> {
        let parts = batch.parts(message);
        let content = content_of(parts);
        match (message.msg_type(), batch.channel()) {
            ("stream", "iopub") => self.log.append(message, parts, entry, text_limit),
            ("status", "iopub") => {
                if let Some(event) = event_of(message) {
                    self.on(event, now);
                }
            }
            ("execute_input" | "pyin", "iopub") => self.begin(content, now),
            ("clear_output", "iopub") => {
                let wait = json::member(content, b"wait") == Some(b"true");
                self.log.clear_output(wait);
            }
            ("error" | "pyerr", "iopub") => {
                self.log.append(message, parts, entry, text_limit);
                self.fail();
            }
            ("display_data" | "execute_result" | "pyout", "iopub") => {
                self.log.append(message, parts, entry, text_limit);
                return displays::id_in(content).map(|id| (id, self.log.newest()));
            }
            ("execute_reply", "shell") => self.reply(content, entry),
            ("input_request", "stdin") if !self.state.is_over() => self.ask(prompt_of(message, parts)),
            _ => {}
        }
        None
    }
}

/// What a status says of the execution that is its parent.
fn event_of(message: &Message) -> Option<Event> {
    match message.fields()?.execution_state.as_ref()?.as_str() {
        "busy" => Some(Event::Begins),
        "idle" => Some(Event::Idle),
        _ => None,
    }
}

fn prompt_of(message: &Message, parts: &[Bytes]) -> Prompt {
    let id = message.fields().and_then(|fields| fields.header.msg_id.as_ref());
    let header = parts.first().map_or(&b""[..], |header| header);
    Prompt {
        id: id.map_or("", Text::as_str).into(),
        header: Bytes::copy_from_slice(header),
        content: Bytes::copy_from_slice(content_of(parts)),
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(any(test, fuzzing))]
mod tests;

//! The journal: the executions of one kernel, in the order of their requests.
//!
//! It is fed with the requests that clients send and with every batch that the kernel publishes. A message belongs to the
//! execution whose id its parent_header names; others are skipped. An update changes the displays that it names, whichever
//! execution showed them. Comm messages change the widgets of `comms`, and output that a widget captures belongs to that widget.
//! `limits` forgets executions and drops output.
//! Cost: one lookup, and one count of the memory, for each run of messages with the same parent; see `Log` for the output.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::comms::Comms;
use super::comms::message::{CommMessage, is_comm};
use super::comms::owners::{Owner, Owners};
use super::displays::{Displays, Update};
use super::execution::{Event, Execution, Prompt};
use super::finished::Finished;
use super::request::Request;
use crate::batch::{Batch, Message, content_of};
use crate::flow::entry::Entry;
use crate::flow::frame::{Encoded, Frame};
use crate::flow::pacing::Class;
use crate::kernel_wire::header::{ParentHeader, Text};

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
    /// The widget that captures their output.
    captor: Option<u64>,
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
    /// The widgets of the kernel.
    pub comms: Comms,
    owners: Owners,
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
            if is_iopub && is_comm(message) {
                self.take(&mut run, batch, encoded, now);
                self.take_comm(batch, message);
                // It may be that a widget captures output from now on, or no more
                (run, parent) = (Run::default(), None);
                continue;
            }
            let id = message.fields().and_then(|fields| fields.parent.msg_id.as_ref());
            if id != parent.as_ref() {
                self.take(&mut run, batch, encoded, now);
                parent = id.cloned();
                run.number = id.and_then(|id| self.number(id.as_str()));
                run.captor = if is_iopub { self.captor(message) } else { None };
                changed.extend(run.number);
            }
            if run.number.is_some() || run.captor.is_some() {
                run.messages.push((message, place));
            }
        }
        self.take(&mut run, batch, encoded, now);
        self.enforce();
        changed.into_iter().collect()
    }

    /// Takes the messages of a run, and empties it.
    fn take(&mut self, run: &mut Run<'_>, batch: &Batch, encoded: &Encoded, now: f64) {
        let (text_limit, is_iopub) = (self.config.text, batch.channel() == "iopub");
        let entry_of = |place: &Range<usize>| {
            let frame = Frame::new(&encoded.source, place.start, place.end);
            Entry::plain(frame, encoded.protocol, Class::Exempt)
        };
        if let Some(captor) = run.captor {
            run.messages.retain(|(message, place)| {
                let parts = batch.parts(message);
                !self.comms.captured(captor, message, parts, entry_of(place), text_limit)
            });
        }
        let (Some(number), false) = (run.number, run.messages.is_empty()) else {
            return run.messages.clear();
        };
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
                let shown = execution.take(batch, message, entry_of(&place), text_limit, now);
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

    /// Takes a comm message of the kernel.
    fn take_comm(&mut self, batch: &Batch, message: &Message) {
        if let Some(change) = CommMessage::read(message.msg_type(), batch.parts(message)) {
            let from = self.owner_of(message.fields().map(|fields| &fields.parent));
            self.comms.take(change, &from, true);
        }
    }

    /// Takes a comm message that a client sends to the kernel.
    pub fn take_sent(&mut self, change: CommMessage, user: Option<&str>, session: &str) {
        self.owners.note(session, user);
        self.comms.take(change, &Owner::of(user), false);
        self.enforce();
    }

    /// The widget that captures a message.
    fn captor(&self, message: &Message) -> Option<u64> {
        if !self.comms.capture() {
            return None;
        }
        let parent = &message.fields()?.parent;
        self.comms
            .captor(parent.msg_id.as_ref()?.as_str(), &self.owner_of(Some(parent)))
    }

    /// Whose request a message of the kernel answers.
    fn owner_of(&self, parent: Option<&ParentHeader>) -> Owner {
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned());
        let request = parent.and_then(|parent| self.number(&text(&parent.msg_id)?));
        if let Some(execution) = request.and_then(|number| self.get(number)) {
            return Owner::of(execution.owner.as_deref());
        }
        self.owners
            .find(parent.and_then(|parent| text(&parent.session)).as_deref())
    }

    /// A client of this user has sent a request, which need not be kept.
    pub fn note_request(&mut self, user: Option<&str>, session: &str) {
        self.owners.note(session, user);
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
        self.comms.clear();
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
        self.logs + self.displays.memory() + self.comms.memory()
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(any(test, fuzzing))]
mod tests;

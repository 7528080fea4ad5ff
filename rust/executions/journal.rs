//! The journal: the executions of one kernel, in the order of their requests.
//!
//! It is fed with the requests that clients send and with every batch that the kernel publishes. A message belongs to the
//! execution whose id its parent_header names; others are skipped. An update changes the display that it names, whichever
//! execution showed it. If a limit is exceeded, finished executions are forgotten, the oldest first, then text in the middle
//! of the oldest open one is dropped, then displays.
//! Cost: one lookup for each run of messages with the same parent; see `Log` for the output.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::displays::{self, Displays};
use super::execution::{Event, Execution, Prompt};
use super::request::Request;
use crate::batch::{Batch, Message};
use crate::flow::frame::{Encoded, Frame};
use crate::json;
use crate::kernel_wire::header::Text;

/// The limits of a journal. Each comes from a trait.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The most executions.
    pub executions: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of text of one execution.
    pub text: u64,
    /// Seconds that a finished execution is kept.
    pub age: f64,
}

/// The executions of one kernel.
#[derive(Default)]
pub struct Journal {
    config: Config,
    executions: BTreeMap<u64, Execution>,
    numbers: HashMap<Box<str>, u64>,
    displays: Displays,
    last: u64,
    /// Bytes of memory of the executions.
    logs: u64,
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
    /// Replaces the limits.
    pub fn configure(&mut self, config: Config) {
        self.config = config;
        self.enforce();
    }

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
        self.numbers.insert(request.id.clone(), self.last);
        let execution = Execution::new(request, owner, session, now);
        self.logs += execution.memory();
        self.executions.insert(self.last, execution);
        self.enforce();
        self.executions.contains_key(&self.last)
    }

    /// The cell is run again: its finished executions end.
    fn forget_runs_of(&mut self, cell: &str, owner: Option<&str>) {
        let is_earlier = |execution: &Execution| {
            let same = execution.request.cell_id.as_deref() == Some(cell) && execution.owner.as_deref() == owner;
            same && execution.state.is_over()
        };
        let found = self.executions.iter().filter(|(_, execution)| is_earlier(execution));
        let found: Vec<u64> = found.map(|(number, _)| *number).collect();
        for number in found {
            self.remove(number);
        }
    }

    /// Takes the messages of a batch of any channel, encoded for v1. Returns the executions that have changed.
    pub fn append(&mut self, batch: &Batch, encoded: &Encoded, now: f64) -> Vec<u64> {
        let mut changed: Vec<u64> = Vec::new();
        let mut places: Vec<(u64, u64)> = Vec::new();
        let mut last: Option<(Text, Option<u64>)> = None;
        let mut from = 0;
        for (message, end) in batch.messages().iter().zip(&encoded.ends) {
            let frame = (*end > from).then(|| Frame::new(&encoded.source, from, *end));
            from = *end;
            let Some(parent) = message.fields().and_then(|fields| fields.parent.msg_id.as_ref()) else {
                continue;
            };
            let number = match &last {
                Some((id, number)) if id == parent => *number,
                _ => {
                    let number = self.numbers.get(parent.as_str()).copied();
                    last = Some((parent.clone(), number));
                    number
                }
            };
            if message.msg_type() == "update_display_data" && batch.channel() == "iopub" {
                self.update(
                    batch.parts(message).get(3).map_or(&b""[..], |content| content),
                    &mut changed,
                );
                continue;
            }
            let (Some(number), Some(frame)) = (number, frame) else {
                continue;
            };
            if changed.last() != Some(&number) && !changed.contains(&number) {
                changed.push(number);
            }
            self.take(number, batch, message, frame, &mut places, now);
        }
        for (number, seq) in places {
            if let Some(execution) = self.executions.get_mut(&number) {
                let before = execution.memory();
                execution.log.unshare(&encoded.source, seq);
                self.logs = self.logs + execution.memory() - before;
            }
        }
        self.enforce();
        changed
    }

    /// Takes one message of the execution `number`.
    fn take(
        &mut self,
        number: u64,
        batch: &Batch,
        message: &Message,
        frame: Frame,
        places: &mut Vec<(u64, u64)>,
        now: f64,
    ) {
        let Some(execution) = self.executions.get_mut(&number) else {
            return;
        };
        let parts = batch.parts(message);
        let content = parts.get(3).map_or(&b""[..], |content| &content[..]);
        let before = execution.memory();
        let mut display = None;
        match (batch.channel(), message.msg_type()) {
            ("iopub", "status") => {
                let event = if message.is_idle() { Event::Idle } else { Event::Begins };
                execution.on(event, now);
            }
            ("iopub", "execute_input") => execution.begin(content, now),
            ("iopub", "clear_output") => execution.log.clear_output(flag(content, b"wait")),
            ("iopub", name @ ("stream" | "display_data" | "execute_result" | "error")) => {
                let seq = execution.log.newest();
                if places.last().is_none_or(|(last, _)| *last != number) {
                    places.push((number, seq));
                }
                execution.log.append(message, parts, frame, self.config.text);
                if name == "error" {
                    execution.fail();
                } else if name != "stream" {
                    display = displays::id_in(content).map(|id| (id, execution.log.newest()));
                }
            }
            ("shell", "execute_reply") => execution.reply(content),
            ("stdin", "input_request") if !execution.state.is_over() => {
                if let [header, _, _, content, ..] = parts {
                    let id = message.fields().and_then(|fields| fields.header.msg_id.as_ref());
                    execution.log.touch();
                    execution.prompt = Some(Prompt {
                        id: id.map_or("", Text::as_str).into(),
                        header: Bytes::copy_from_slice(header),
                        content: Bytes::copy_from_slice(content),
                    });
                }
            }
            _ => {}
        }
        self.logs = self.logs + execution.memory() - before;
        if let Some((id, seq)) = display {
            self.displays.add(id, number, seq);
        }
    }

    /// Changes the displays that an update names.
    fn update(&mut self, content: &[u8], changed: &mut Vec<u64>) {
        let executions = &mut self.executions;
        let (mut grown, mut shrunk) = (0, 0);
        self.displays.update(content, |number, seq, content| {
            let Some(execution) = executions.get_mut(&number) else {
                return false;
            };
            shrunk += execution.memory();
            let kept = execution.log.update(seq, |entry| displays::updated(entry, content));
            grown += execution.memory();
            if kept && !changed.contains(&number) {
                changed.push(number);
            }
            kept
        });
        self.logs = (self.logs + grown).saturating_sub(shrunk);
    }

    /// The process has ended: what was open is lost. Returns the executions that have changed.
    pub fn process_ended(&mut self, now: f64) -> Vec<u64> {
        let open = self
            .executions
            .iter_mut()
            .filter(|(_, execution)| !execution.state.is_over());
        open.map(|(number, execution)| {
            self.logs -= execution.memory();
            execution.on(Event::ProcessEnds, now);
            self.logs += execution.memory();
            *number
        })
        .collect()
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
            let prompt = execution.prompt.take()?;
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
        self.executions.get(&number)
    }

    /// Runs `work` on an execution, and counts the memory that this changes.
    pub fn with<T>(&mut self, number: u64, work: impl FnOnce(&mut Execution) -> T) -> Option<T> {
        let execution = self.executions.get_mut(&number)?;
        let before = execution.memory();
        let result = work(execution);
        self.logs = self.logs + execution.memory() - before;
        Some(result)
    }

    /// All executions, newest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Execution)> {
        self.executions
            .iter()
            .rev()
            .map(|(number, execution)| (*number, execution))
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
        self.displays.forget(number);
        true
    }

    /// Bytes of memory.
    pub fn memory(&self) -> u64 {
        self.logs + self.displays.memory()
    }

    /// Forgets executions that have finished longer ago than the limit.
    pub fn forget_old(&mut self, now: f64) {
        let age = self.config.age;
        let is_old = |execution: &Execution| execution.times[2].is_some_and(|finished| finished + age < now);
        let found = self.executions.iter().filter(|(_, execution)| is_old(execution));
        let found: Vec<u64> = found.map(|(number, _)| *number).collect();
        for number in found {
            self.remove(number);
        }
    }

    /// Forgets the oldest finished execution. False: there is none.
    pub fn forget_oldest(&mut self) -> bool {
        let finished = self.executions.iter().find(|(_, execution)| execution.state.is_over());
        finished
            .map(|(number, _)| *number)
            .is_some_and(|number| self.remove(number))
    }

    /// Brings the journal within its memory.
    fn enforce(&mut self) {
        let room = self.config.memory / 2;
        while self.memory() > self.config.memory && self.executions.len() > 1 && self.forget_oldest() {}
        let numbers: Vec<u64> = if self.memory() > self.config.memory {
            self.executions.keys().copied().collect()
        } else {
            return;
        };
        for number in numbers {
            while self.memory() > self.config.memory
                && self.with(number, |execution| execution.log.drop_one(room)) == Some(true)
            {}
        }
    }
}

/// Whether the member `name` of a content is true.
fn flag(content: &[u8], name: &[u8]) -> bool {
    let mut set = false;
    let read = json::members(content, |key, value| {
        if key == name {
            set = value == b"true";
        }
    });
    read.is_ok() && set
}

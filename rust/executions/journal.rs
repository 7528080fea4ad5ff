//! The journal: the executions of one kernel, in the order of their requests.
//!
//! It is fed with the requests that clients send, and `append` adds every batch that the kernel publishes. `limits` forgets
//! executions and drops output. Must not read messages. Cost: O(log n) for each execution or id that is named.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::comms::Comms;
use super::comms::message::CommMessage;
use super::comms::owners::{Owner, Owners};
use super::displays::Displays;
use super::execution::{Event, Execution, Prompt};
use super::finished::Finished;
use super::request::Request;
use crate::flow::frame::Frame;

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

/// The executions of one kernel.
#[derive(Default)]
pub struct Journal {
    pub(super) config: Config,
    pub(super) executions: BTreeMap<u64, Box<Execution>>,
    /// The number of each id.
    numbers: HashMap<Box<str>, u64>,
    /// The numbers of the executions of each cell.
    pub(super) cells: BTreeSet<(Box<str>, u64)>,
    pub(super) displays: Displays,
    /// The widgets of the kernel.
    pub comms: Comms,
    pub(super) owners: Owners,
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

    /// Appends a message of the server to the output of an execution.
    pub fn append_own(&mut self, number: u64, frame: Frame) {
        self.with(number, |execution| execution.log.append_own(frame));
        self.enforce();
    }

    /// Takes a comm message that a client sends to the kernel.
    pub fn take_sent(&mut self, change: CommMessage, user: Option<&str>, session: &str) {
        self.owners.note(session, user);
        self.comms.take(change, &Owner::of(user), false);
        self.enforce();
    }

    /// A client of this user has sent a request, which need not be kept.
    pub fn note_request(&mut self, user: Option<&str>, session: &str) {
        self.owners.note(session, user);
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

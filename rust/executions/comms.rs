//! The widgets of a kernel, as a page would have them: each comm of the target `jupyter.widget` with its present state.
//!
//! ```text
//! comm_open, comm_msg, comm_close of the kernel --+--> Comms --replay--> a page that has just been opened
//! the same of a client                          --+
//! ```
//!
//! The changes of clients count when they are sent, because a kernel that is busy repeats them late, and some never do. What the
//! kernel repeats counts again. A change that cannot be read, or that another user's request has made, makes a widget *unknown*:
//! it is not replayed, and the page asks the kernel for it. Over the limits widgets are *evicted*, which has the same effect.
//! Must not keep anything else of comm messages. Cost: see `message`; a look-up for each message while a widget captures output.

pub mod comm;
pub mod message;
pub mod order;
pub mod owners;
pub mod replay;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use self::comm::Comm;
use self::message::{Act, CommMessage, State};
use self::owners::Owner;
use crate::batch::Message;
use crate::flow::entry::Entry;
use crate::reader::wide;

/// The limits of the widgets of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most widgets; 0: none is kept.
    pub comms: usize,
    /// Bytes of memory.
    pub memory: u64,
}

/// Why a widget is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// A limit was exceeded.
    Evicted,
    /// A change of it could not be read, or was another user's.
    Unknown,
}

/// A widget that is not kept.
struct Missing {
    id: Box<str>,
    owner: Owner,
    why: Lost,
}

/// How many widgets a page gets, and how many it must ask the kernel for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Widgets that are replayed.
    pub replayed: usize,
    /// Widgets that were evicted.
    pub evicted: usize,
    /// Widgets that are unknown, or that refer to one which is not replayed.
    pub unknown: usize,
}

/// The widgets of one kernel.
pub struct Comms {
    limits: Limits,
    /// By number, in the order of opening.
    kept: BTreeMap<u64, Box<Comm>>,
    /// Memory and number of each widget that is kept, so that the largest is found at once.
    sizes: BTreeSet<(u64, u64)>,
    missing: BTreeMap<u64, Missing>,
    numbers: HashMap<Box<str>, u64>,
    /// The id of a request -> the widgets that capture its output. The last one gets it.
    captures: HashMap<Box<str>, Vec<u64>>,
    last: u64,
    memory: u64,
}

impl Default for Comms {
    fn default() -> Self {
        Self {
            limits: Limits {
                comms: 5000,
                memory: 8 << 20,
            },
            kept: BTreeMap::new(),
            sizes: BTreeSet::new(),
            missing: BTreeMap::new(),
            numbers: HashMap::new(),
            captures: HashMap::new(),
            last: 0,
            memory: 0,
        }
    }
}

impl Comms {
    /// Replaces the limits. `enforce` applies them.
    pub fn configure(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes a message of the kernel, or one that a client sends to it. `from`: whose request it is, or answers.
    pub fn take(&mut self, message: CommMessage, from: &Owner, of_kernel: bool) {
        let number = self.numbers.get(&message.id).copied();
        match message.act {
            Act::Open { metadata, state } => {
                self.forget(number);
                self.open(&message.id, from.clone(), metadata, state);
            }
            Act::Update { state, echo } => {
                if let Some(number) = number {
                    self.update(number, from, state, of_kernel && !echo);
                }
            }
            Act::Close => self.forget(number),
        }
    }

    fn open(&mut self, id: &str, owner: Owner, metadata: Bytes, state: Option<State>) {
        if self.limits.comms == 0 {
            return;
        }
        self.last += 1;
        let number = self.last;
        self.numbers.insert(id.into(), number);
        let readable = state.is_some();
        let comm = Box::new(Comm::new(id, owner, metadata, state.unwrap_or_default()));
        self.memory += comm.memory();
        self.sizes.insert((comm.memory(), number));
        self.kept.insert(number, comm);
        if readable {
            self.follow_capture(number, None);
        } else {
            self.lose(number, Lost::Unknown);
        }
    }

    fn update(&mut self, number: u64, from: &Owner, change: Option<State>, set: bool) {
        let Some(comm) = self.kept.get(&number) else {
            return;
        };
        let (Some(change), true) = (change, comm.owner == *from) else {
            return self.lose(number, Lost::Unknown);
        };
        let captured = comm.captures();
        self.with(number, |comm| comm.merge(change, set));
        self.follow_capture(number, captured);
    }

    /// Runs `work` on a widget that is kept, and counts the memory that this changes.
    fn with<T>(&mut self, number: u64, work: impl FnOnce(&mut Comm) -> T) -> Option<T> {
        let comm = self.kept.get_mut(&number)?;
        let before = comm.memory();
        let result = work(comm);
        let after = comm.memory();
        if after != before {
            self.sizes.remove(&(before, number));
            self.sizes.insert((after, number));
            self.memory = self.memory + after - before;
        }
        Some(result)
    }

    /// Notes which request's output a widget captures. `before`: the one that it has captured until now.
    fn follow_capture(&mut self, number: u64, before: Option<Box<str>>) {
        let now = self.kept.get(&number).and_then(|comm| comm.captures());
        if now == before {
            return;
        }
        if let Some(before) = before {
            self.end_capture(&before, number);
        }
        if let Some(now) = now {
            self.captures.entry(now).or_default().push(number);
        }
    }

    fn end_capture(&mut self, request: &str, number: u64) {
        if let Some(capturing) = self.captures.get_mut(request) {
            capturing.retain(|other| *other != number);
            if capturing.is_empty() {
                self.captures.remove(request);
            }
        }
    }

    fn remove(&mut self, number: u64) -> Option<Box<Comm>> {
        let comm = self.kept.remove(&number)?;
        self.memory -= comm.memory();
        self.sizes.remove(&(comm.memory(), number));
        if let Some(request) = comm.captures() {
            self.end_capture(&request, number);
        }
        Some(comm)
    }

    fn lose(&mut self, number: u64, why: Lost) {
        let Some(comm) = self.remove(number) else { return };
        let Comm { id, owner, .. } = *comm;
        let missing = Missing { id, owner, why };
        self.memory += missing.memory();
        self.missing.insert(number, missing);
        if self.missing.len() > self.limits.comms {
            let oldest = self.missing.keys().next().copied();
            self.forget(oldest);
        }
    }

    fn forget(&mut self, number: Option<u64>) {
        let Some(number) = number else { return };
        let kept = self.remove(number).map(|comm| comm.id);
        let missing = self.missing.remove(&number).map(|missing| {
            self.memory -= missing.memory();
            missing.id
        });
        for id in kept.into_iter().chain(missing) {
            self.numbers.remove(&id);
        }
    }

    /// Brings the widgets within their limits, and within `memory` bytes: evicts the oldest ones if there are too many, the
    /// largest ones if they take too much memory.
    pub fn enforce(&mut self, memory: u64) {
        while self.kept.len() > self.limits.comms
            && let Some((&oldest, _)) = self.kept.first_key_value()
        {
            self.lose(oldest, Lost::Evicted);
        }
        let memory = memory.min(self.limits.memory);
        while self.memory > memory {
            if let Some(&(_, largest)) = self.sizes.last() {
                self.lose(largest, Lost::Evicted);
            } else {
                return self.clear();
            }
        }
    }

    /// The kernel's process has ended, and its widgets with it.
    pub fn clear(&mut self) {
        *self = Self {
            limits: self.limits,
            ..Self::default()
        };
    }

    /// Whether any widget captures output.
    pub fn capture(&self) -> bool {
        !self.captures.is_empty()
    }

    /// The widget that captures the output of a request of this owner.
    pub fn captor(&self, request: &str, owner: &Owner) -> Option<u64> {
        let number = *self.captures.get(request)?.last()?;
        let comm = self.kept.get(&number)?;
        (comm.owner == *owner).then_some(number)
    }

    /// Gives a message to the widget that captures it. False: the widget does not show such messages.
    pub fn captured(&mut self, number: u64, message: &Message, parts: &[Bytes], entry: Entry, text_limit: u64) -> bool {
        let taken = self.with(number, |comm| comm.capture(message, parts, entry, text_limit));
        taken == Some(true)
    }

    /// Closes what was captured so far, so that it can be read.
    pub fn end_logs(&mut self) {
        let numbers: Vec<u64> = self.kept.keys().copied().collect();
        for number in numbers {
            self.with(number, |comm| comm.captured.as_mut().map(|log| log.end()));
        }
    }

    /// The widgets of this owner, in the order of opening.
    pub fn of(&self, owner: &Owner) -> Vec<&Comm> {
        let all = self.kept.values().map(|comm| &**comm);
        all.filter(|comm| comm.owner == *owner).collect()
    }

    /// The requests of which widgets of this owner capture output, each with these widgets; the last one gets it.
    pub fn capturing(&self, owner: &Owner) -> Vec<(&str, Vec<&Comm>)> {
        let mut found: Vec<_> = self
            .captures
            .iter()
            .map(|(request, numbers)| {
                let comms = numbers.iter().filter_map(|number| self.kept.get(number));
                let theirs = comms.map(|comm| &**comm).filter(|comm| comm.owner == *owner);
                (&**request, theirs.collect::<Vec<_>>())
            })
            .filter(|(_, comms)| !comms.is_empty())
            .collect();
        found.sort_by_key(|(request, _)| *request);
        found
    }

    /// How many widgets of this owner are not kept, and why.
    pub fn missing(&self, owner: &Owner, why: Lost) -> usize {
        let theirs = self.missing.values().filter(|missing| missing.owner == *owner);
        theirs.filter(|missing| missing.why == why).count()
    }

    /// Bytes of memory.
    pub fn memory(&self) -> u64 {
        self.memory
    }
}

impl Missing {
    fn memory(&self) -> u64 {
        wide(2 * self.id.len() + self.owner.memory() + size_of::<Self>() + UPKEEP)
    }
}

/// Bytes of the entries in the indexes of a widget that is not kept, and of the overhead of the allocator.
const UPKEEP: usize = 256;

#[cfg(test)]
mod capture_tests;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(test)]
mod limit_tests;
#[cfg(any(test, fuzzing))]
mod tests;

//! A kernel: its process, its cells, and the journal of its executions with the readers that follow them.

use super::holds;
use super::message::{Message, batch_of};
use crate::client_wire::Protocol;
use crate::executions::execution::{Execution, State};
use crate::executions::journal::{Config, Journal};
use crate::executions::model::{Model, Shown, is_part, marks};
use crate::executions::testing::{Reader, UNLIMITED, read_of, request};
use crate::flow::testing::encoded;
use crate::reader::wide;

pub struct Kernel {
    pub process: u64,
    /// The number of the newest cell, and of the one before.
    pub cells: [u64; 2],
    journal: Journal,
    model: Model,
    /// A reader of each execution.
    readers: Vec<(u64, Reader)>,
}

impl Kernel {
    pub fn new() -> Self {
        let mut journal = Journal::default();
        journal.configure(UNLIMITED);
        Self {
            process: 0,
            cells: [0, 0],
            journal,
            model: Model::default(),
            readers: Vec::new(),
        }
    }

    pub fn limit(&mut self, text: u64, memory: u64) {
        self.journal.configure(Config {
            text,
            memory,
            executions: 8,
            ..UNLIMITED
        });
        self.forget();
    }

    /// A client runs the cell `cell`.
    pub fn submit(&mut self, cell: u64, now: f64) {
        self.cells = [cell, self.cells[0]];
        let id = format!("c{cell}");
        if self.journal.submit(request(&id, None), None, "session", now) {
            self.model.submit(self.journal.newest(), &id, None, None);
            self.readers.push((self.journal.newest(), Reader::default()));
        }
        self.forget();
    }

    pub fn publish(&mut self, messages: &[Message], now: f64) -> crate::batch::Batch {
        let batch = batch_of(messages, self.process);
        self.journal.append(&encoded(&batch, Protocol::V1), now);
        for message in messages {
            let Some(run) = self.model.run(&format!("c{}", message.cell)) else {
                continue;
            };
            match message.kind.msg_type() {
                "stream" | "display_data" | "error" => run.show(Shown {
                    msg_type: message.kind.msg_type(),
                    content: message.content(),
                    display: None,
                }),
                "status" if message.content().contains("idle") => run.end(State::Done, now),
                _ => {}
            }
        }
        self.forget();
        batch
    }

    /// The process has ended: what was open is lost.
    pub fn end_process(&mut self, now: f64) {
        let open = self.model.open();
        let mut lost = self.journal.process_ended(now);
        lost.sort_unstable();
        holds!("E7", open == lost, "{open:?} were open, {lost:?} are lost");
        let runs = self.model.runs.iter_mut();
        runs.for_each(|run| run.end(State::Lost, now));
        self.process += 1;
    }

    /// One execution's reader reads what is new, and another reader reads all of it. `back`: executions before the newest.
    pub fn read(&mut self, back: usize) {
        let Some(at) = self.readers.len().checked_sub(1 + back) else {
            return;
        };
        let (number, reader) = &mut self.readers[at];
        reader.follow(&mut self.journal, *number);
        let all = self.model.numbered(*number).pieces();
        let (got, everything) = (marks(&reader.pieces), marks(&all));
        holds!("E2", is_part(&got, &everything), "{got:?} of {everything:?}");
        let sum = wide(got.len()) + reader.left_out.messages;
        holds!("E3", sum == wide(everything.len()), "{sum} of {}", everything.len());
        let whole = read_of(&mut self.journal, *number, 0, u64::MAX);
        let sum = wide(marks(&whole.pieces).len()) + whole.left_out.messages;
        holds!(
            "E1",
            sum == wide(everything.len()),
            "{sum} of {} after others have read",
            everything.len()
        );
    }

    /// Runs `work` on the execution of a cell.
    pub fn with<T>(&mut self, cell: u64, work: impl FnOnce(&mut Execution) -> T) -> Option<T> {
        let number = self.journal.number(&format!("c{cell}"))?;
        self.journal.with(number, work)
    }

    pub fn check(&self) {
        self.journal.check();
    }

    /// Finished executions may be forgotten for lack of room.
    fn forget(&mut self) {
        let journal = &self.journal;
        self.model.runs.retain(|run| {
            let kept = journal.get(run.number).is_some();
            holds!(
                "E8",
                kept || run.is_over(),
                "execution {} runs and is forgotten",
                run.number
            );
            kept
        });
        self.readers.retain(|(number, _)| journal.get(*number).is_some());
    }
}

//! The Python class `Journal`.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::batch::Batch;
use super::client::ClientMessage;
use super::convert;
use crate::client_wire::websocket::Opcode;
use crate::executions::comms::message::{CommMessage, is_comm};
use crate::executions::comms::owners::Owner;
use crate::executions::comms::{self, Counts};
use crate::executions::execution::{Execution, Status};
use crate::executions::finished::SECONDS;
use crate::executions::follow;
use crate::executions::journal::{self, Config};
use crate::executions::read::{self, Output, Piece};
use crate::executions::replay::{self, Replay, Voice};
use crate::executions::request::Request;
use crate::flow::frame::Frame;

#[pyclass(frozen, module = "kernelws._core")]
pub struct Journal {
    core: Mutex<journal::Journal>,
}

/// `(id, cell_id, source_sha256, owner, session, state, status, execution_count, submitted, started, finished, prompts)`
type Facts = (
    String,
    Option<String>,
    Vec<u8>,
    Option<String>,
    String,
    &'static str,
    Option<&'static str>,
    Option<u64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    bool,
);

/// `(msg_type, content)`; None: messages are missing here.
type Shown = Option<(String, Py<PyBytes>)>;

/// `(outputs, updates, next, cleared, messages left out, bytes left out)`
type Read = (Vec<Shown>, Vec<Shown>, u64, bool, u64, u64);

/// `(pieces, updates, next, at_end, cleared, messages and bytes appended)`; a piece is `(cursor, output, messages, bytes)`.
type Step = (Vec<(u64, Shown, u64, u64)>, Vec<Shown>, u64, bool, bool, u64, u64);

impl Journal {
    /// Runs `work`. If it panics, the journal is empty from then on: its sums may be wrong.
    fn with<T>(&self, work: impl FnOnce(&mut journal::Journal) -> T) -> PyResult<T> {
        let mut core = convert::lock(&self.core);
        catch_unwind(AssertUnwindSafe(|| work(&mut core))).map_err(|_| {
            *core = journal::Journal::default();
            PyRuntimeError::new_err("work on a kernel's journal panicked, and what it held is discarded")
        })
    }
}

impl Journal {
    /// The messages that replay an execution, or only its reply. None if it is not kept.
    pub fn replay<'a>(&self, number: u64, voice: Voice<'a>, reply: bool) -> PyResult<Option<Replay<'a>>> {
        let make = if reply { replay::reply } else { replay::replay };
        self.with(|core| {
            core.with(number, |execution| {
                execution.log.end();
                make(execution, voice)
            })
        })
    }
}

impl Journal {
    /// The messages that replay the widgets of a user: those before the outputs, with their counts, or those after them.
    pub fn widgets<'a>(
        &self,
        owner: Option<&str>,
        request: &str,
        session: &str,
        voice: Voice<'a>,
        fill: bool,
    ) -> PyResult<(Replay<'a>, Counts)> {
        let owner = Owner::of(owner);
        self.with(|core| {
            if fill {
                let made = comms::replay::fill(&mut core.comms, &owner, request, session, voice);
                return (made, Counts::default());
            }
            comms::replay::open(&core.comms, &owner, request, session, voice)
        })
    }
}

fn facts(execution: &Execution) -> Facts {
    let request = &execution.request;
    let [submitted, started, finished] = execution.times;
    (
        request.id.to_string(),
        request.cell_id.as_deref().map(str::to_owned),
        request.source_sha256.to_vec(),
        execution.owner.as_deref().map(str::to_owned),
        execution.session.to_string(),
        execution.state.name(),
        execution.status().map(Status::name),
        execution.count,
        submitted,
        started,
        finished,
        execution.prompt.is_some(),
    )
}

fn shown(py: Python<'_>, output: Option<&Output>) -> Shown {
    output.map(|output| (output.msg_type.clone(), PyBytes::new(py, &output.content).unbind()))
}

#[pymethods]
impl Journal {
    #[new]
    fn new() -> Self {
        Self { core: Mutex::default() }
    }

    #[pyo3(signature = (*, executions, memory, text, age, widgets, widget_memory))]
    fn configure(
        &self,
        executions: usize,
        memory: u64,
        text: u64,
        age: f64,
        widgets: usize,
        widget_memory: u64,
    ) -> PyResult<()> {
        let config = Config {
            executions,
            memory,
            text,
            age,
        };
        let limits = comms::Limits {
            comms: widgets,
            memory: widget_memory,
        };
        self.with(|core| {
            core.comms.configure(limits);
            core.configure(config);
        })
    }

    #[pyo3(signature = (message, *, owner, session, now))]
    fn submit(
        &self,
        py: Python<'_>,
        message: &ClientMessage,
        owner: Option<&str>,
        session: &str,
        now: f64,
    ) -> PyResult<Option<u64>> {
        let parts = &message.core.parts;
        let size = parts.iter().map(bytes::Bytes::len).sum();
        self.with(|core| core.note_request(owner, session))?;
        let Some(request) = convert::work(py, size, || Request::read(parts)) else {
            return Ok(None);
        };
        self.with(|core| core.submit(request, owner, session, now).then(|| core.newest()))
    }

    #[pyo3(signature = (message, *, owner, session))]
    fn take_comm(&self, py: Python<'_>, message: &ClientMessage, owner: Option<&str>, session: &str) -> PyResult<()> {
        let parts = &message.core.parts;
        let size = parts.iter().map(bytes::Bytes::len).sum();
        let change = convert::work(py, size, || CommMessage::read(&message.core.msg_type, parts));
        self.with(|core| match change {
            Some(change) => core.take_sent(change, owner, session),
            None => core.note_request(owner, session),
        })
    }

    fn forget_widgets(&self) -> PyResult<()> {
        self.with(|core| core.comms.clear())
    }

    fn append(&self, py: Python<'_>, batch: &Batch, now: f64) -> PyResult<Vec<u64>> {
        let has_comms = || batch.core().messages().iter().any(is_comm);
        if self.with(|core| core.is_empty() && !core.comms.capture())? && !has_comms() {
            return Ok(Vec::new());
        }
        let encoded = batch.encoded_for_any(py)?;
        self.with(|core| core.append(&encoded, now))
    }

    fn process_ended(&self, now: f64) -> PyResult<Vec<u64>> {
        self.with(|core| core.process_ended(now))
    }

    fn number(&self, execution_id: &str) -> PyResult<Option<u64>> {
        self.with(|core| core.number(execution_id))
    }

    fn facts(&self, number: u64) -> PyResult<Option<Facts>> {
        self.with(|core| core.get(number).map(facts))
    }

    fn all(&self) -> PyResult<Vec<(u64, Facts)>> {
        self.with(|core| {
            let all = core.iter().map(|(number, execution)| (number, facts(execution)));
            all.collect()
        })
    }

    fn open(&self) -> PyResult<Vec<Facts>> {
        self.with(|core| {
            let open = core.iter().filter(|(_, execution)| !execution.state.is_over());
            open.map(|(_, execution)| facts(execution)).collect()
        })
    }

    fn append_own(&self, number: u64, payload: &[u8]) -> PyResult<()> {
        let frame = Frame::own(Opcode::Binary, payload);
        self.with(|core| core.append_own(number, frame))
    }

    fn finished(&self) -> PyResult<([u64; 4], Vec<u64>, f64)> {
        self.with(|core| {
            let finished = core.finished();
            (finished.ends, finished.durations.to_vec(), finished.seconds)
        })
    }

    #[classattr]
    fn durations() -> Vec<f64> {
        SECONDS.to_vec()
    }

    fn awaiting(&self) -> PyResult<HashSet<String>> {
        self.with(|core| {
            let open = core.iter().filter(|(_, execution)| execution.awaits_reply());
            open.map(|(_, execution)| execution.session.to_string()).collect()
        })
    }

    fn awaits_reply(&self, number: u64) -> PyResult<bool> {
        self.with(|core| core.get(number).is_some_and(Execution::awaits_reply))
    }

    fn read(&self, py: Python<'_>, number: u64, since: u64, max_bytes: u64) -> PyResult<Option<Read>> {
        let read = self.with(|core| core.with(number, |execution| read::read(&mut execution.log, since, max_bytes)))?;
        Ok(read.map(|read| {
            let outputs = read.pieces.iter().map(|piece| match piece {
                Piece::Output(output) => shown(py, Some(output)),
                Piece::Gap => None,
            });
            let updates = read.updates.iter().map(|output| shown(py, Some(output)));
            (
                outputs.collect(),
                updates.collect(),
                read.next,
                read.cleared,
                read.left_out.messages,
                read.left_out.bytes,
            )
        }))
    }

    fn end(&self, number: u64) -> PyResult<Option<u64>> {
        self.with(|core| core.with(number, |execution| execution.log.end()))
    }

    fn follow(&self, py: Python<'_>, number: u64, since: u64, max_bytes: usize) -> PyResult<Option<Step>> {
        let step =
            self.with(|core| core.with(number, |execution| follow::follow(&mut execution.log, since, max_bytes)))?;
        Ok(step.map(|step| {
            let pieces = step.pieces.iter().map(|piece| {
                let count = piece.count;
                (piece.at, shown(py, piece.output.as_ref()), count.messages, count.bytes)
            });
            let updates = step.updates.iter().map(|output| shown(py, Some(output)));
            (
                pieces.collect(),
                updates.collect(),
                step.next,
                step.at_end,
                step.cleared,
                step.appended.messages,
                step.appended.bytes,
            )
        }))
    }

    fn prompt(&self, py: Python<'_>, number: u64) -> PyResult<Option<(Py<PyBytes>, Py<PyBytes>)>> {
        let prompt = self.with(|core| core.get(number).and_then(|execution| execution.prompt.clone()))?;
        Ok(prompt.map(|prompt| {
            (
                PyBytes::new(py, &prompt.header).unbind(),
                PyBytes::new(py, &prompt.content).unbind(),
            )
        }))
    }

    fn waits_at(&self, prompt: &str) -> PyResult<Option<u64>> {
        self.with(|core| core.waits_at(prompt))
    }

    fn take_prompt(&self, number: u64, payload: &[u8]) -> PyResult<bool> {
        let shown = Frame::own(Opcode::Binary, payload);
        self.with(|core| core.take_prompt(number, shown).is_some())
    }

    fn remove(&self, number: u64) -> PyResult<bool> {
        self.with(|core| core.remove(number))
    }

    fn forget_old(&self, now: f64) -> PyResult<()> {
        self.with(|core| core.forget_old(now))
    }

    fn memory(&self) -> PyResult<u64> {
        self.with(|core| core.memory())
    }
}

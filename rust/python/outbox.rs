//! The Python class `Outbox`. The classes that it returns are in `outbox_types`.
//!
//! Must not create Python objects while holding the lock: that can run other Python code, which may call this outbox. The
//! exception is the `bytes` of a batch; see `batch::pack`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use super::batch::Batch;
use super::convert::{self, protocol};
use super::outbox_types::{Gap, OutboxStats};
use crate::client_wire::websocket::Opcode;
use crate::flow::config::Config;
use crate::flow::encoded::Encoded;
use crate::flow::entry::Reason;
use crate::flow::frame::{Frame, FrameList};
use crate::flow::guard::{Failed, Guarded};
use crate::flow::leave::Taken;
use crate::flow::outbox;
use crate::flow::rate_window::Limits;
use crate::flow::sent::Lane;

mod exceptions {
    pyo3::import_exception!(kernelws.errors, OutboxFailed);
}

impl From<Failed> for PyErr {
    fn from(_: Failed) -> Self {
        exceptions::OutboxFailed::new_err("work on its outbox panicked, and what it held is discarded")
    }
}

#[pyclass(frozen, module = "kernelws._core")]
pub struct Outbox {
    state: Mutex<State>,
}

struct State {
    core: Guarded,
    wake_at: Option<f64>,
}

impl Outbox {
    /// Runs `work` on the outbox. Fails if earlier work has panicked.
    pub fn with<T>(&self, work: impl FnOnce(&mut outbox::Outbox) -> T) -> PyResult<T> {
        Ok(convert::lock(&self.state).core.with(work)?)
    }

    /// Runs `work` even if earlier work has panicked.
    fn always<T>(&self, work: impl FnOnce(&mut outbox::Outbox) -> T) -> PyResult<T> {
        Ok(convert::lock(&self.state).core.always(work)?)
    }

    /// The batch for this outbox.
    fn encoded(&self, py: Python<'_>, batch: &Batch) -> PyResult<Arc<Encoded>> {
        let (protocol, merges) = self.with(|core| (core.protocol(), core.merges()))?;
        // A panic while encoding loses messages that no gap would count, so the outbox fails
        let encoded = catch_unwind(AssertUnwindSafe(|| batch.encoded(py, protocol, !merges)));
        encoded.map_err(|_| convert::lock(&self.state).core.fail())?
    }

    /// Runs `take` and converts its result; `make` converts frames.
    fn taken<'py>(
        &self,
        py: Python<'py>,
        take: impl FnOnce(&mut outbox::Outbox) -> Taken,
        make: impl FnOnce(Python<'py>, FrameList) -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let taken = {
            let mut state = convert::lock(&self.state);
            let taken = state.core.with(take)?;
            state.wake_at = match taken {
                Taken::Nothing(wake_at) => wake_at,
                _ => None,
            };
            taken
        };
        match taken {
            Taken::Frames(frames) => make(py, frames),
            Taken::Gap(id, gap) => Ok(Bound::new(py, Gap::new(py, id, &gap))?.into_any()),
            Taken::Block(id) => Ok(id.into_pyobject(py)?.into_any()),
            Taken::Nothing(_) => Ok(py.None().into_bound(py)),
        }
    }
}

#[pymethods]
impl Outbox {
    #[new]
    fn new(protocol: &str) -> PyResult<Self> {
        let core = outbox::Outbox::new(self::protocol(protocol)?, Config::UNLIMITED);
        Ok(Self {
            state: Mutex::new(State {
                core: Guarded::new(core),
                wake_at: None,
            }),
        })
    }

    #[allow(clippy::too_many_arguments)] // one for each trait, by name
    #[pyo3(signature = (
        *, hold, msg_limit, data_limit, rate_window, merge_window, backlog_limit, interrupt_limit, memory_limit, high_water
    ))]
    fn configure(
        &self,
        hold: bool,
        msg_limit: f64,
        data_limit: f64,
        rate_window: f64,
        merge_window: f64,
        backlog_limit: u64,
        interrupt_limit: u64,
        memory_limit: u64,
        high_water: u64,
    ) -> PyResult<()> {
        let limits = Limits {
            messages: msg_limit,
            bytes: data_limit,
            window: rate_window,
        };
        let config = Config {
            hold,
            limits,
            merge_window,
            backlog_limit,
            interrupt_limit,
            memory_limit,
            high_water,
        };
        self.always(|core| core.configure(config))
    }

    fn append(&self, py: Python<'_>, batch: &Batch, start: usize, stop: usize, now: f64) -> PyResult<()> {
        let encoded = self.encoded(py, batch)?;
        self.with(|core| core.append(&encoded, start, stop, now))
    }

    fn append_copies(&self, py: Python<'_>, batch: &Batch, execution_id: &str) -> PyResult<()> {
        let encoded = self.encoded(py, batch)?;
        self.with(|core| core.append_copies(&encoded, execution_id))
    }

    #[pyo3(signature = (payload, lane = "iopub"))]
    fn append_own(&self, payload: &Bound<'_, PyAny>, lane: &str) -> PyResult<()> {
        let (opcode, payload) = own(payload)?;
        let lane = match lane {
            "iopub" => Lane::Iopub,
            "replies" => Lane::Replies,
            _ => return Err(PyValueError::new_err("a lane is 'iopub' or 'replies'")),
        };
        self.with(|core| core.append_own(lane, opcode, &payload))
    }

    fn announce(&self, payload: &Bound<'_, PyAny>) -> PyResult<()> {
        let (opcode, payload) = own(payload)?;
        self.with(|core| core.announce(opcode, &payload))
    }

    fn withdraw_announcements(&self) -> PyResult<bool> {
        self.with(outbox::Outbox::withdraw_announcements)
    }

    fn end_process(&self, session: &str) -> PyResult<Vec<u64>> {
        self.with(|core| core.end_process(session.as_bytes()))
    }

    fn resume_process(&self) -> PyResult<()> {
        self.with(outbox::Outbox::resume_process)
    }

    fn skip(&self) -> PyResult<()> {
        self.with(outbox::Outbox::skip)
    }

    fn interrupt(&self) -> PyResult<()> {
        self.with(outbox::Outbox::interrupt)
    }

    fn take<'py>(&self, py: Python<'py>, now: f64, max_bytes: u64) -> PyResult<Bound<'py, PyAny>> {
        self.taken(py, |core| core.take(now, max_bytes), joined)
    }

    fn take_messages<'py>(&self, py: Python<'py>, now: f64, max_bytes: u64) -> PyResult<Bound<'py, PyAny>> {
        let make = |py, frames: FrameList| {
            let payloads = frames.pieces.iter().map(|frame| payload(py, frame));
            Ok(PyList::new(py, payloads.collect::<Vec<_>>())?.into_any())
        };
        self.taken(py, |core| core.take_messages(now, max_bytes), make)
    }

    #[getter]
    fn wake_at(&self) -> Option<f64> {
        convert::lock(&self.state).wake_at
    }

    fn fill_gap(&self, number: u64, payload: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (opcode, payload) = own(payload)?;
        self.with(|core| core.fill_gap(number, opcode, &payload))
    }

    fn spill<'py>(&self, py: Python<'py>, max_bytes: usize) -> PyResult<Option<(u64, Bound<'py, PyList>)>> {
        let Some((id, block)) = self.with(|core| core.spill(max_bytes))? else {
            return Ok(None);
        };
        Ok(Some((id, convert::views(py, block)?)))
    }

    fn on_its_way(&self, number: u64) -> PyResult<bool> {
        self.always(|core| core.on_its_way(number))
    }

    fn written(&self, number: u64) -> PyResult<bool> {
        self.with(|core| core.written(number))
    }

    fn unspill(&self, number: u64) -> PyResult<()> {
        self.with(|core| core.unspill(number))
    }

    fn restore(&self, number: u64, block: &Bound<'_, PyAny>) -> PyResult<bool> {
        let block = convert::owned(block)?;
        self.with(|core| core.restore(number, &block))
    }

    fn lost(&self, number: u64) -> PyResult<bool> {
        self.with(|core| core.lost(number))
    }

    fn cut_text(&self) -> PyResult<()> {
        self.with(outbox::Outbox::cut)
    }

    fn drop_text(&self) -> PyResult<bool> {
        self.with(outbox::Outbox::drop_text)
    }

    fn drop_oldest_display(&self) -> PyResult<bool> {
        self.with(outbox::Outbox::drop_oldest_display)
    }

    fn ping_due(&self, now: f64) -> PyResult<Option<u64>> {
        self.with(|core| core.ping_due(now))
    }

    #[getter]
    fn ping_at(&self) -> PyResult<Option<f64>> {
        self.always(|core| core.ping_at())
    }

    fn acknowledge(&self, number: u64) -> PyResult<bool> {
        self.with(|core| core.acknowledge(number))
    }

    fn acknowledge_all(&self) -> PyResult<()> {
        self.with(outbox::Outbox::acknowledge_all)
    }

    fn unacknowledged(&self) -> PyResult<u64> {
        self.always(|core| core.unacknowledged())
    }

    #[pyo3(signature = (*, heard = false))]
    fn detach(&self, heard: bool) -> PyResult<bool> {
        self.always(|core| core.detach(heard))
    }

    fn attach(&self, protocol: &str) -> PyResult<bool> {
        let protocol = self::protocol(protocol)?;
        self.with(|core| core.attach(protocol))
    }

    #[pyo3(signature = (reason = "closed"))]
    fn clear(&self, reason: &str) -> PyResult<()> {
        let reason = Reason::ALL.into_iter().find(|each| each.name() == reason);
        let reason = reason.ok_or_else(|| PyValueError::new_err("there is no such reason"))?;
        self.always(|core| core.clear(reason))
    }

    fn memory(&self) -> PyResult<u64> {
        self.always(|core| core.memory())
    }

    fn limited_memory(&self) -> PyResult<u64> {
        self.always(|core| core.limited_memory())
    }

    fn upkeep(&self) -> PyResult<u64> {
        self.always(|core| core.upkeep())
    }

    fn stats(&self) -> PyResult<OutboxStats> {
        Ok(self.always(|core| core.stats())?.into())
    }
}

/// A message of the server itself: `str` is text, `bytes` is binary.
fn own(payload: &Bound<'_, PyAny>) -> PyResult<(Opcode, Bytes)> {
    if let Ok(text) = payload.cast::<PyString>() {
        let text = text.to_str()?.to_owned();
        return Ok((Opcode::Text, Bytes::from(text)));
    }
    Ok((Opcode::Binary, convert::owned(payload)?))
}

/// The frames for one socket write: the batch's own `bytes` if they are exactly its frames, else views of the pieces.
fn joined(py: Python<'_>, frames: FrameList) -> PyResult<Bound<'_, PyAny>> {
    let object = frames.whole().and_then(|source| source.object());
    if let Some(bytes) = object.and_then(|object| object.downcast_ref::<Py<PyBytes>>()) {
        return Ok(PyList::new(py, [bytes])?.into_any());
    }
    let segments = convert::work(py, frames.len(), || frames.into_segments());
    Ok(convert::views(py, segments)?.into_any())
}

/// The payload of one message, for `write_message`.
fn payload<'py>(py: Python<'py>, frame: &Frame) -> Bound<'py, PyAny> {
    match frame.opcode() {
        Opcode::Binary => PyBytes::new(py, &frame.shared_payload()).into_any(),
        // Encoders put valid UTF-8 into text
        Opcode::Text => PyString::new(py, &String::from_utf8_lossy(&frame.shared_payload())).into_any(),
    }
}

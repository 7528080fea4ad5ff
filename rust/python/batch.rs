//! The Python class `Batch`, and the encoded bytes that all outboxes share.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};

use super::DETACH_FROM;
use super::convert::{self, described, protocol};
use crate::batch::{self, Message};
use crate::client_wire::Protocol;
use crate::client_wire::gather::Gather;
use crate::flow::encoded::Encoded;
use crate::flow::source::Source;

#[pyclass(frozen, module = "kernelws._core")]
pub struct Batch {
    state: Mutex<State>,
}

/// The core's batch, and its encoded forms if they were asked for. A change copies the batch if another thread still uses it.
struct State {
    batch: Arc<batch::Batch>,
    v1: Option<Arc<Encoded>>,
    legacy: Option<Arc<Encoded>>,
}

impl State {
    /// The batch for a change. Discards the encoded forms.
    fn change(&mut self) -> &mut batch::Batch {
        (self.v1, self.legacy) = (None, None);
        Arc::make_mut(&mut self.batch)
    }
}

impl Batch {
    pub fn new(batch: batch::Batch) -> Self {
        Self {
            state: Mutex::new(State {
                batch: Arc::new(batch),
                v1: None,
                legacy: None,
            }),
        }
    }

    /// The current batch.
    pub fn core(&self) -> Arc<batch::Batch> {
        Arc::clone(&convert::lock(&self.state).batch)
    }

    /// The batch for clients of `protocol`. Encodes it if it is large, because here the GIL can be released; but not one row of
    /// texts, which may need no frames, unless it is very large or `all` frames are needed.
    pub fn encoded(&self, py: Python<'_>, protocol: Protocol, all: bool) -> PyResult<Arc<Encoded>> {
        let encoded = self.shared(protocol);
        let batch = &encoded.batch;
        let all = all || batch.bytes() >= ENCODE_FROM;
        let is_ready = encoded.source_if_any().is_some() || (encoded.is_known_row() && !all);
        if batch.bytes() < DETACH_FROM || is_ready {
            return Ok(encoded);
        }
        let wire = py.detach(|| (all || !encoded.is_one_row()).then(|| batch.wire(protocol)));
        if let Some(wire) = wire {
            let source = source(wire.gather, |gather| convert::bytes(py, gather))?;
            encoded.fill(source, wire.ends, wire.refused);
        }
        Ok(encoded)
    }

    fn shared(&self, protocol: Protocol) -> Arc<Encoded> {
        let state = &mut *convert::lock(&self.state);
        let encoded = match protocol {
            Protocol::V1 => &mut state.v1,
            Protocol::Legacy => &mut state.legacy,
        };
        let new = || Arc::new(Encoded::new(Arc::clone(&state.batch), protocol, pack));
        Arc::clone(encoded.get_or_insert_with(new))
    }

    /// All messages of the batch: for legacy clients if only these have asked for it and get all of it, else for v1.
    pub fn encoded_for_any(&self, py: Python<'_>) -> PyResult<Arc<Encoded>> {
        let only_legacy = {
            let state = convert::lock(&self.state);
            state.legacy.clone().filter(|_| state.v1.is_none())
        };
        let whole = only_legacy.filter(|legacy| legacy.refused().is_empty());
        whole.map_or_else(|| self.encoded(py, Protocol::V1, false), Ok)
    }
}

/// From so many bytes on also one row of texts is encoded beforehand: what is encoded later keeps the GIL, and a lock.
const ENCODE_FROM: usize = 16 * DETACH_FROM;

/// A `Pack` for threads that have the GIL. Keeps it, because the caller may have locked an outbox or a journal: unless memory is
/// exhausted, Python runs no other code when it makes `bytes`. Then it unwinds: the outbox fails, the journal is emptied.
fn pack(gather: Gather<'_>) -> Arc<Source> {
    let made = Python::attach(|py| source(gather, |gather| convert::bytes_attached(py, gather)));
    made.unwrap_or_else(|_| std::panic::resume_unwind(Box::new("no memory for an encoded batch")))
}

/// The bytes of a batch, as the Python object that `make` returns, or in segments if they have large buffers.
fn source<'py>(
    gather: Gather<'_>,
    make: impl FnOnce(&Gather<'_>) -> PyResult<Bound<'py, PyBytes>>,
) -> PyResult<Arc<Source>> {
    if gather.shares() {
        return Ok(Source::of_segments(gather.into_segments()));
    }
    let bytes = make(&gather)?;
    let shared = Bytes::from_owner(PyBackedBytes::from(bytes.clone()));
    Ok(Source::new(shared, Some(Box::new(bytes.unbind()))))
}

fn message(batch: &batch::Batch, index: usize) -> PyResult<&Message> {
    batch
        .messages()
        .get(index)
        .ok_or_else(|| PyIndexError::new_err("batch index out of range"))
}

/// An element of `Batch.activity`.
type Activity = (String, Option<String>, Option<String>);

#[pymethods]
impl Batch {
    fn __len__(&self) -> usize {
        self.core().messages().len()
    }

    #[getter]
    fn channel(&self) -> String {
        self.core().channel().to_owned()
    }

    #[getter]
    fn malformed(&self) -> Vec<(&'static str, String)> {
        self.core().malformed().iter().map(described).collect()
    }

    #[getter]
    fn size(&self) -> usize {
        self.core().bytes()
    }

    #[getter]
    fn kernel_session(&self) -> Option<String> {
        self.core().kernel_session().map(str::to_owned)
    }

    fn frames<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyList>> {
        let batch = self.core();
        convert::list(py, batch.frames(message(&batch, index)?))
    }

    fn parts<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyList>> {
        let batch = self.core();
        convert::list(py, batch.parts(message(&batch, index)?))
    }

    fn msg_type(&self, index: usize) -> PyResult<String> {
        Ok(message(&self.core(), index)?.msg_type().to_owned())
    }

    fn activity(&self) -> Vec<Activity> {
        let batch = self.core();
        let activity = batch.activity().into_iter();
        activity
            .map(|(name, parent, state)| (name.into(), parent.map(Into::into), state.map(Into::into)))
            .collect()
    }

    fn unusual(&self) -> Vec<usize> {
        self.core().unusual()
    }

    #[pyo3(signature = (index, parts, *, legacy_only = false))]
    fn rewrite(&self, index: usize, parts: &Bound<'_, PyAny>, legacy_only: bool) -> PyResult<()> {
        let parts = convert::parts(parts)?;
        if convert::lock(&self.state).change().rewrite(index, parts, legacy_only)? {
            return Ok(());
        }
        Err(PyIndexError::new_err("batch index out of range"))
    }

    #[pyo3(signature = (*, parent_session, msg_type = None))]
    fn discard(&self, parent_session: &str, msg_type: Option<&str>) -> usize {
        convert::lock(&self.state).change().discard(parent_session, msg_type)
    }

    fn refused(&self, py: Python<'_>, protocol: &str) -> PyResult<Vec<(&'static str, String)>> {
        let encoded = self.encoded(py, self::protocol(protocol)?, false)?;
        Ok(encoded.refused().iter().map(described).collect())
    }
}

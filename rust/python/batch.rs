//! The Python class `Batch`, and the encoded bytes that all outboxes share.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyList;

use super::convert::{self, described, protocol};
use crate::batch::{self, Message};
use crate::client_wire::Protocol;
use crate::error::Malformed;
use crate::flow::encoded::Encoded;
use crate::flow::source::Source;

#[pyclass(frozen, module = "kernelws._core")]
pub struct Batch {
    state: Mutex<State>,
}

/// The core's batch and its encoded forms. Encoding uses a clone of the `Arc`, so that the lock is held only briefly. A
/// change copies the batch if another thread still uses it.
struct State {
    batch: Arc<batch::Batch>,
    v1: Option<Arc<EncodedBatch>>,
    legacy: Option<Arc<EncodedBatch>>,
}

/// A whole batch encoded for one subprotocol.
pub struct EncodedBatch {
    /// The bytes that all outboxes share.
    pub encoded: Encoded,
    refused: Vec<Malformed>,
}

impl State {
    fn wire(&mut self, protocol: Protocol) -> &mut Option<Arc<EncodedBatch>> {
        match protocol {
            Protocol::V1 => &mut self.v1,
            Protocol::Legacy => &mut self.legacy,
        }
    }

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

    /// The batch and its encoded form for `protocol`, encoding it if necessary.
    pub fn with_wire(&self, py: Python<'_>, protocol: Protocol) -> PyResult<(Arc<batch::Batch>, Arc<EncodedBatch>)> {
        {
            let mut state = convert::lock(&self.state);
            if let Some(wire) = state.wire(protocol).clone() {
                return Ok((Arc::clone(&state.batch), wire));
            }
        }
        let batch = self.core();
        let wire = Arc::new(encode(py, &batch, protocol)?);
        let mut state = convert::lock(&self.state);
        // Another thread may have changed the batch meanwhile. If it encoded the same batch, its result is used
        if Arc::ptr_eq(&state.batch, &batch) {
            let wire = Arc::clone(state.wire(protocol).get_or_insert(wire));
            return Ok((batch, wire));
        }
        Ok((batch, wire))
    }
}

impl Batch {
    /// The batch and an encoded form of all its messages: the legacy one if only that was made so far and is complete, else v1.
    pub fn with_any_wire(&self, py: Python<'_>) -> PyResult<(Arc<batch::Batch>, Arc<EncodedBatch>)> {
        {
            let state = convert::lock(&self.state);
            if let (None, Some(wire)) = (&state.v1, &state.legacy)
                && wire.refused.is_empty()
            {
                return Ok((Arc::clone(&state.batch), Arc::clone(wire)));
            }
        }
        self.with_wire(py, Protocol::V1)
    }
}

fn encode(py: Python<'_>, batch: &batch::Batch, protocol: Protocol) -> PyResult<EncodedBatch> {
    let wire = convert::work(py, batch.bytes(), || batch.wire(protocol));
    let source = if wire.gather.shares() {
        Source::of_segments(wire.gather.into_segments())
    } else {
        let bytes = convert::bytes(py, &wire.gather)?;
        let shared = Bytes::from_owner(PyBackedBytes::from(bytes.clone()));
        Source::new(shared, Some(Box::new(bytes.unbind())))
    };
    Ok(EncodedBatch {
        encoded: Encoded::new(source, wire.ends, protocol),
        refused: wire.refused,
    })
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
        let (_, wire) = self.with_wire(py, self::protocol(protocol)?)?;
        Ok(wire.refused.iter().map(described).collect())
    }
}

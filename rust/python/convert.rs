//! Converts Python objects to bytes and back, and faults to exceptions.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PyString};

use super::DETACH_FROM;
use crate::client_wire::Protocol;
use crate::client_wire::gather::Gather;
use crate::client_wire::websocket::Opcode;
use crate::error::Malformed;
use crate::kernel_wire::frames::{FramesBuilder, KEEP_FROM};

mod exceptions {
    pyo3::import_exception!(kernelws.errors, MalformedMessage);
    pyo3::import_exception!(kernelws.errors, SignatureError);
    pyo3::import_exception!(kernelws.errors, UnsupportedScheme);
}
pub use exceptions::UnsupportedScheme;

impl From<Malformed> for PyErr {
    fn from(fault: Malformed) -> Self {
        let (kind, sentence) = described(&fault);
        if fault.is_signature() {
            exceptions::SignatureError::new_err((kind, sentence))
        } else {
            exceptions::MalformedMessage::new_err((kind, sentence))
        }
    }
}

/// `(kind, sentence)` of a fault.
pub fn described(fault: &Malformed) -> (&'static str, String) {
    (fault.kind(), fault.to_string())
}

/// The subprotocol called `name`.
pub fn protocol(name: &str) -> PyResult<Protocol> {
    match name {
        "v1" => Ok(Protocol::V1),
        "legacy" => Ok(Protocol::Legacy),
        _ => Err(PyValueError::new_err("a protocol is 'v1' or 'legacy'")),
    }
}

/// Any buffer as `bytes`. Other objects are copied, because their owner may change them.
fn immutable<'py>(buffer: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = buffer.cast::<PyBytes>() {
        return Ok(bytes.clone());
    }
    let view = PyMemoryView::from(buffer)?;
    Ok(buffer.py().get_type::<PyBytes>().call1((view,))?.cast_into()?)
}

/// A buffer as `Bytes`: a small one is copied, a large one keeps its Python object alive.
pub fn owned(buffer: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    let bytes = immutable(buffer)?;
    Ok(if bytes.as_bytes().len() < KEEP_FROM {
        Bytes::copy_from_slice(bytes.as_bytes())
    } else {
        Bytes::from_owner(PyBackedBytes::from(bytes))
    })
}

/// Adds the frames of one message to `frames`.
pub fn add_message(frames: &mut FramesBuilder, message: &Bound<'_, PyAny>) -> PyResult<()> {
    for frame in message.try_iter()? {
        let bytes = immutable(&frame?)?;
        if bytes.as_bytes().len() < KEEP_FROM {
            frames.copy(bytes.as_bytes());
        } else {
            frames.keep(Bytes::from_owner(PyBackedBytes::from(bytes)));
        }
    }
    frames.end_message();
    Ok(())
}

/// The parts of one message.
pub fn parts(message: &Bound<'_, PyAny>) -> PyResult<Vec<Bytes>> {
    let mut frames = FramesBuilder::default();
    add_message(&mut frames, message)?;
    Ok(frames.finish().into_vec())
}

/// A `list[bytes]`, copied.
pub fn list<'py>(py: Python<'py>, parts: &[Bytes]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, parts.iter().map(|part| PyBytes::new(py, part)))
}

/// A `list[memoryview]`, without copying.
pub fn views(py: Python<'_>, pieces: Vec<Bytes>) -> PyResult<Bound<'_, PyList>> {
    let views = pieces.into_iter().map(|piece| {
        let owner = Bound::new(py, pyo3_bytes::PyBytes::new(piece))?;
        PyMemoryView::from(owner.as_any())
    });
    PyList::new(py, views.collect::<PyResult<Vec<_>>>()?)
}

/// All pieces as one `bytes`, copied once.
pub fn bytes<'py>(py: Python<'py>, gather: &Gather<'_>) -> PyResult<Bound<'py, PyBytes>> {
    written(py, gather, |out| work(py, gather.len(), || gather.write(out)))
}

/// Like `bytes`, but never releases the GIL.
pub fn bytes_attached<'py>(py: Python<'py>, gather: &Gather<'_>) -> PyResult<Bound<'py, PyBytes>> {
    written(py, gather, |out| gather.write(out))
}

fn written<'py>(py: Python<'py>, gather: &Gather<'_>, write: impl FnOnce(&mut [u8])) -> PyResult<Bound<'py, PyBytes>> {
    match gather.as_slice() {
        Some(bytes) => Ok(PyBytes::new(py, bytes)),
        None => PyBytes::new_with(py, gather.len(), |out| {
            write(out);
            Ok(())
        }),
    }
}

/// The payload of a WebSocket message: `str` for text, `bytes` for binary.
pub fn payload<'py>(py: Python<'py>, opcode: Opcode, gather: Gather<'_>) -> PyResult<Bound<'py, PyAny>> {
    match opcode {
        Opcode::Binary => Ok(bytes(py, &gather)?.into_any()),
        // Encoders put valid UTF-8 into text
        Opcode::Text => Ok(PyString::new(py, &String::from_utf8_lossy(&gather.into_vec())).into_any()),
    }
}

/// Runs `work` on `size` bytes; releases the GIL from `DETACH_FROM` bytes on.
pub fn work<T: Send>(py: Python<'_>, size: usize, work: impl FnOnce() -> T + Send) -> T {
    if size < DETACH_FROM { work() } else { py.detach(work) }
}

/// Locks a mutex even if a panic has poisoned it. An outbox handles its panics itself. The other locked objects are rate
/// windows, replay windows, counters of lost messages and batches: using one that a panic left half changed is better than
/// ending all sessions of a kernel.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

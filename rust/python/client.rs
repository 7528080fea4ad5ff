//! The Python class `ClientMessage`, and the functions that decode a client's message or encode one for a client.

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBytes, PyList, PyString};

use super::convert;
use super::signer::{Signer, signed_bytes};
use crate::client_wire::gather::Gather;
use crate::client_wire::{self, MAX_BUFFERS, legacy, v1, websocket};
use crate::kernel_wire::frames::KEEP_FROM;
use crate::kernel_wire::multipart;

#[pyclass(frozen, module = "kernelws._core")]
pub struct ClientMessage {
    pub core: client_wire::ClientMessage,
}

#[pymethods]
impl ClientMessage {
    #[getter]
    fn channel(&self) -> Option<&str> {
        self.core.channel.as_deref()
    }

    #[getter]
    fn msg_type(&self) -> &str {
        &self.core.msg_type
    }

    #[getter]
    fn ambiguous_type(&self) -> bool {
        self.core.ambiguous_type
    }

    #[getter]
    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        convert::list(py, &self.core.parts)
    }

    #[getter]
    fn size(&self) -> usize {
        self.core.parts.iter().map(Bytes::len).sum()
    }

    fn signed<'py>(&self, py: Python<'py>, signer: &Signer) -> PyResult<Bound<'py, PyList>> {
        let parts = &self.core.parts;
        let frames = convert::work(py, signed_bytes(parts), || multipart::join(&signer.core, parts));
        convert::list(py, &frames)
    }
}

#[pyfunction]
#[pyo3(signature = (frame, *, json = true))]
pub fn decode_v1(py: Python<'_>, frame: &Bound<'_, PyAny>, json: bool) -> PyResult<ClientMessage> {
    let frame = convert::owned(frame)?;
    Ok(ClientMessage {
        core: convert::work(py, frame.len(), || v1::decode(&frame, json, MAX_BUFFERS))?,
    })
}

#[pyfunction]
pub fn decode_legacy(py: Python<'_>, frame: &Bound<'_, PyAny>) -> PyResult<ClientMessage> {
    let core = if let Ok(text) = frame.cast::<PyString>() {
        let frame = utf8(text)?;
        convert::work(py, frame.len(), || legacy::decode_text(&frame))?
    } else {
        let frame = convert::owned(frame)?;
        convert::work(py, frame.len(), || legacy::decode_binary(&frame, MAX_BUFFERS))?
    };
    Ok(ClientMessage { core })
}

#[pyfunction]
pub fn channel_of(py: Python<'_>, frame: &Bound<'_, PyAny>, protocol: &str) -> PyResult<Option<&'static str>> {
    let protocol = convert::protocol(protocol)?;
    let (frame, text) = match frame.cast::<PyString>() {
        Ok(text) => (utf8(text)?, true),
        Err(_) => (convert::owned(frame)?, false),
    };
    Ok(convert::work(py, frame.len(), || {
        client_wire::channel::channel_of(&frame, protocol, text)
    }))
}

#[pyfunction]
pub fn encode_v1<'py>(py: Python<'py>, channel: &str, parts: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let parts = convert::parts(parts)?;
    let mut gather = Gather::default();
    v1::encode(channel, &parts, &mut gather);
    convert::bytes(py, &gather)
}

#[pyfunction]
#[pyo3(signature = (channel, parts))]
pub fn encode_legacy<'py>(
    py: Python<'py>,
    channel: Option<&str>,
    parts: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let parts = convert::parts(parts)?;
    let encoder = legacy::Encoder::new(channel, &parts)?;
    let (opcode, mut gather) = (encoder.opcode(), Gather::default());
    encoder.put(&mut gather);
    convert::payload(py, opcode, gather)
}

/// The text as UTF-8. Lone surrogates, which a WebSocket cannot carry, become U+FFFD.
fn utf8(text: &Bound<'_, PyString>) -> PyResult<Bytes> {
    match text.to_str() {
        Ok(utf8) if utf8.len() < KEEP_FROM => Ok(Bytes::copy_from_slice(utf8.as_bytes())),
        Ok(_) => Ok(Bytes::from_owner(PyBackedStr::try_from(text.clone())?)),
        Err(_) => Ok(Bytes::from(text.to_string_lossy().into_owned())),
    }
}

#[pyfunction]
pub fn ping_frame<'py>(py: Python<'py>, payload: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &websocket::ping(payload))
}

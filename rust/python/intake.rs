//! The Python class `Intake`. Raises libzmq's errors as pyzmq's exceptions, and fails in a forked child.

use std::ffi::c_int;
use std::path::PathBuf;

use bytes::Bytes;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::batch::Batch;
use super::client::ClientMessage;
use super::convert;
use super::receiver::Receiver;
use super::signer::{Signer, signed_bytes};
use crate::intake::{Budget, ETERM, Libzmq, Socket, Stop};
use crate::kernel_wire::frames::{Frames, Room};
use crate::kernel_wire::multipart;

mod exceptions {
    pyo3::import_exception!(kernelws.errors, IntakeUnavailable);
    pyo3::import_exception!(zmq.error, ContextTerminated);
    pyo3::import_exception!(zmq.error, ZMQError);
}

#[pyclass(frozen, module = "kernelws._core")]
pub struct Intake {
    libzmq: Libzmq,
    /// The id of the process that created it.
    process: u32,
}

#[pymethods]
impl Intake {
    #[new]
    fn new(library: PathBuf) -> PyResult<Self> {
        match Libzmq::load(library) {
            Ok(libzmq) => Ok(Self {
                libzmq,
                process: std::process::id(),
            }),
            Err(reason) => Err(exceptions::IntakeUnavailable::new_err(reason.to_string())),
        }
    }

    fn version(&self) -> (c_int, c_int, c_int) {
        self.libzmq.version()
    }

    fn drain(
        &self,
        receiver: &Bound<'_, Receiver>,
        channel: &str,
        socket: &Bound<'_, PyAny>,
        max_messages: usize,
        max_bytes: usize,
    ) -> PyResult<(Batch, bool)> {
        let (frames, more) = self.received(socket, max_messages, max_bytes, receiver.get().room())?;
        Ok((receiver.get().process(socket.py(), channel, frames), more))
    }

    fn receive<'py>(
        &self,
        socket: &Bound<'py, PyAny>,
        max_messages: usize,
        max_bytes: usize,
    ) -> PyResult<(Vec<Bound<'py, PyList>>, bool)> {
        let (frames, more) = self.received(socket, max_messages, max_bytes, Room::default())?;
        let messages = frames.messages().iter();
        let lists = messages.map(|range| convert::list(socket.py(), frames.get(range.clone())));
        Ok((lists.collect::<PyResult<_>>()?, more))
    }

    fn send(&self, socket: &Bound<'_, PyAny>, frames: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.sent(socket, &convert::parts(frames)?)
    }

    fn sign_and_send(&self, signer: &Signer, message: &ClientMessage, socket: &Bound<'_, PyAny>) -> PyResult<bool> {
        let parts = &message.core.parts;
        let sign = || multipart::join(&signer.core, parts);
        self.sent(socket, &convert::work(socket.py(), signed_bytes(parts), sign))
    }
}

impl Intake {
    /// Receives frames. An error after complete messages is not raised here; the next call raises it.
    fn received(
        &self,
        socket: &Bound<'_, PyAny>,
        messages: usize,
        bytes: usize,
        room: Room,
    ) -> PyResult<(Frames, bool)> {
        let received = self
            .libzmq
            .receive(self.open(socket)?, Budget { messages, bytes }, room);
        match received.stop {
            Stop::Failed(errno) if received.frames.messages().is_empty() => Err(refusal(errno)),
            stop => Ok((received.frames, stop != Stop::Drained)),
        }
    }

    fn sent(&self, socket: &Bound<'_, PyAny>, frames: &[Bytes]) -> PyResult<bool> {
        let frames: Vec<&[u8]> = frames.iter().map(AsRef::as_ref).collect();
        self.libzmq.send(self.open(socket)?, &frames).map_err(refusal)
    }

    /// Returns the socket if it is open, as `intake` requires. pyzmq closes sockets only while it holds the GIL, and no Python
    /// code runs between this check and libzmq's call. So call it last, after all arguments are converted. A forked child
    /// must not use the sockets of its parent; checking the process id is a system call of 0.16 us.
    fn open(&self, socket: &Bound<'_, PyAny>) -> PyResult<Socket> {
        if std::process::id() != self.process {
            return Err(PyRuntimeError::new_err(FORKED));
        }
        let py = socket.py();
        if socket.getattr(intern!(py, "closed"))?.is_truthy()? {
            return Err(refusal(libc::ENOTSOCK));
        }
        Ok(Socket(socket.getattr(intern!(py, "underlying"))?.extract()?))
    }
}

/// The exception that pyzmq raises for libzmq's error.
fn refusal(errno: c_int) -> PyErr {
    if errno == ETERM {
        exceptions::ContextTerminated::new_err(())
    } else {
        exceptions::ZMQError::new_err(errno)
    }
}

const FORKED: &str = "this intake was made before a fork: its sockets belong to the parent process";

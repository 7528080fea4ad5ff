//! The Python class `Receiver`.

use std::sync::Mutex;

use pyo3::prelude::*;

use super::batch::Batch;
use super::convert;
use super::signer;
use crate::kernel_wire::frames::{Frames, FramesBuilder, Room};
use crate::receiver;

#[pyclass(frozen, module = "kernelws._core")]
pub struct Receiver {
    core: Mutex<receiver::Receiver>,
    /// The room that the frames of the last drain took.
    room: Mutex<Room>,
}

#[pymethods]
impl Receiver {
    #[new]
    #[pyo3(signature = (key, scheme, *, digest_history_size = 65536, verify = true, json = true))]
    fn new(key: &[u8], scheme: &str, digest_history_size: i64, verify: bool, json: bool) -> PyResult<Self> {
        // jupyter_client's Session accepts a negative size, which means no replay window
        let size = usize::try_from(digest_history_size).unwrap_or(0);
        let core = receiver::Receiver::new(signer::core(key, scheme)?, size, verify, json);
        Ok(Self {
            core: Mutex::new(core),
            room: Mutex::default(),
        })
    }

    fn split(&self, py: Python<'_>, channel: &str, messages: &Bound<'_, PyAny>) -> PyResult<Batch> {
        let mut frames = FramesBuilder::default();
        for message in messages.try_iter()? {
            convert::add_message(&mut frames, &message?)?;
        }
        Ok(self.process(py, channel, frames.finish()))
    }
}

impl Receiver {
    /// The room to make for the frames of the next drain.
    pub fn room(&self) -> Room {
        *convert::lock(&self.room)
    }

    /// Reads the frames of one drain into a batch.
    pub fn process(&self, py: Python<'_>, channel: &str, frames: Frames) -> Batch {
        *convert::lock(&self.room) = frames.room();
        // The closure frees the lock before `work` waits for the GIL. So a thread that holds the GIL may wait for the lock
        let batch = convert::work(py, frames.bytes(), || {
            convert::lock(&self.core).process(channel, frames)
        });
        Batch::new(batch)
    }
}

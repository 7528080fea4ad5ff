//! The Python module `kernelws._core`, the only code that uses pyo3. `python/kernelws/_core.pyi` documents its names.
//!
//! Each method converts its arguments, calls the core and converts the result. Work on `DETACH_FROM` bytes or more releases
//! the GIL, except the encoding of one row of texts below 1 MiB. Must not wait for the GIL while holding a lock, so that threads
//! cannot deadlock.

mod batch;
mod client;
mod convert;
mod intake;
mod journal;
mod numbers;
mod outbox;
mod outbox_types;
mod rate;
mod receiver;
mod replays;
mod signer;

use pyo3::exceptions::PyRuntimeWarning;
use pyo3::panic::PanicException;
use pyo3::prelude::*;

use crate::client_wire::{MAX_BUFFERS, v1};
use crate::json::MAX_DEPTH;

// `gil_used`: a free-threaded Python enables its GIL for this module. `intake` needs it, so that no other thread uses or
// closes a socket during a call
#[pymodule(gil_used = true)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("V1", v1::NAME)?;
    module.add("MAX_BUFFERS", MAX_BUFFERS)?;
    module.add("MAX_DEPTH", MAX_DEPTH)?;
    module.add("PanicException", module.py().get_type::<PanicException>())?;
    module.add_class::<signer::Signer>()?;
    module.add_class::<receiver::Receiver>()?;
    module.add_class::<batch::Batch>()?;
    module.add_class::<rate::RateWindow>()?;
    module.add_class::<intake::Intake>()?;
    module.add_class::<numbers::Numbers>()?;
    module.add_class::<outbox::Outbox>()?;
    module.add_class::<outbox_types::Gap>()?;
    module.add_class::<outbox_types::OutboxStats>()?;
    module.add_class::<client::ClientMessage>()?;
    module.add_class::<journal::Journal>()?;
    module.add_function(wrap_pyfunction!(client::channel_of, module)?)?;
    module.add_function(wrap_pyfunction!(client::decode_v1, module)?)?;
    module.add_function(wrap_pyfunction!(client::decode_legacy, module)?)?;
    module.add_function(wrap_pyfunction!(client::encode_v1, module)?)?;
    module.add_function(wrap_pyfunction!(client::encode_legacy, module)?)?;
    module.add_function(wrap_pyfunction!(client::ping_frame, module)?)?;
    module.add_function(wrap_pyfunction!(outbox_types::live_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(replays::append_replay, module)?)?;
    module.add_function(wrap_pyfunction!(replays::append_widgets, module)?)?;
    if cfg!(debug_assertions) {
        let warning = c"kernelws._core is a debug build, many times slower than a release build";
        PyErr::warn(module.py(), &module.py().get_type::<PyRuntimeWarning>(), warning, 1)?;
    }
    Ok(())
}

/// Work on at least this many bytes releases the GIL; for less, releasing it costs more than it gains.
const DETACH_FROM: usize = 64 * 1024;

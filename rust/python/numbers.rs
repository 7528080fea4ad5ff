//! The Python class `Numbers`.

use std::sync::Mutex;

use pyo3::prelude::*;

use super::batch::Batch;
use super::convert;
use crate::observe::numbers;

#[pyclass(frozen, module = "kernelws._core")]
pub struct Numbers {
    core: Mutex<numbers::Numbers>,
}

#[pymethods]
impl Numbers {
    #[new]
    fn new() -> Self {
        Self { core: Mutex::default() }
    }

    fn note(&self, batch: &Batch, now: f64) -> u64 {
        let batch = batch.core();
        convert::lock(&self.core).note(&batch, now)
    }

    fn settle(&self, now: f64) -> u64 {
        convert::lock(&self.core).settle(now)
    }

    #[getter]
    fn lost(&self) -> u64 {
        convert::lock(&self.core).lost()
    }
}

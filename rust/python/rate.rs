//! The Python class `RateWindow`.

use std::sync::Mutex;

use pyo3::prelude::*;

use super::batch::Batch;
use super::convert;
use crate::flow::rate_window::{self, Limits, RateEvent, Verdict};

#[pyclass(frozen, module = "kernelws._core")]
pub struct RateWindow {
    core: Mutex<rate_window::RateWindow>,
}

#[pymethods]
impl RateWindow {
    #[new]
    fn new() -> Self {
        Self { core: Mutex::default() }
    }

    #[allow(clippy::too_many_arguments)] // as upstream's traits; an object for each message would be slow
    fn check(
        &self,
        now: f64,
        msg_type: &str,
        idle: bool,
        size: u64,
        msg_limit: f64,
        data_limit: f64,
        window: f64,
    ) -> (bool, Vec<&'static str>) {
        let limits = Limits {
            messages: msg_limit,
            bytes: data_limit,
            window,
        };
        let (verdict, events) = convert::lock(&self.core).check(now, msg_type, idle, size, limits);
        (verdict == Verdict::Forward, events.into_iter().map(name).collect())
    }

    fn admit(
        &self,
        batch: &Batch,
        now: f64,
        msg_limit: f64,
        data_limit: f64,
        window: f64,
    ) -> Vec<(usize, usize, Vec<&'static str>)> {
        let limits = Limits {
            messages: msg_limit,
            bytes: data_limit,
            window,
        };
        let runs = convert::lock(&self.core).admit(&batch.core(), now, limits);
        runs.into_iter()
            .map(|run| (run.start, run.stop, run.events.into_iter().map(name).collect()))
            .collect()
    }
}

fn name(event: RateEvent) -> &'static str {
    match event {
        RateEvent::MessagesExceeded => "msg_rate_exceeded",
        RateEvent::DataExceeded => "data_rate_exceeded",
        RateEvent::Resumed => "resumed",
    }
}

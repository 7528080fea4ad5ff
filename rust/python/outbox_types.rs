//! The Python classes `Gap` and `OutboxStats`, which `Outbox` returns, and the memory of all outboxes.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::flow::entry::{self, Count, Reason};
use crate::flow::source;
use crate::flow::stats::Stats;

#[pyclass(frozen, get_all, module = "kernelws._core")]
pub struct Gap {
    id: u64,
    parent_header: Py<PyBytes>,
    messages: u64,
    bytes: u64,
    reason: &'static str,
}

#[pyclass(frozen, get_all, module = "kernelws._core")]
pub struct OutboxStats {
    appended: u64,
    sent: u64,
    acknowledged: u64,
    repeats: u64,
    waiting: u64,
    replay: u64,
    text: u64,
    memory: u64,
    disk: u64,
    unacknowledged: u64,
    merged: u64,
    refused: u64,
    written: u64,
    written_bytes: u64,
    holds: u64,
    stalls: u64,
    waits_for: Option<&'static str>,
    waits_since: Option<f64>,
    left_out: HashMap<&'static str, (u64, u64)>,
}

impl Gap {
    pub fn new(py: Python<'_>, id: u64, gap: &entry::Gap) -> Self {
        Self {
            id,
            parent_header: PyBytes::new(py, &gap.parent.header).unbind(),
            messages: gap.count.messages,
            bytes: gap.count.bytes,
            reason: gap.reason.name(),
        }
    }
}

impl From<Stats> for OutboxStats {
    fn from(stats: Stats) -> Self {
        let pair = |(reason, count): (Reason, Count)| (reason.name(), (count.messages, count.bytes));
        Self {
            appended: stats.cursors.appended,
            sent: stats.cursors.sent,
            acknowledged: stats.cursors.acknowledged,
            repeats: stats.cursors.repeats,
            waiting: stats.waiting,
            replay: stats.replay,
            text: stats.text,
            memory: stats.memory,
            disk: stats.disk,
            unacknowledged: stats.unacknowledged,
            merged: stats.merged,
            refused: stats.refused,
            written: stats.wait_stats.written.messages,
            written_bytes: stats.wait_stats.written.bytes,
            holds: stats.wait_stats.holds,
            stalls: stats.wait_stats.stalls,
            waits_for: stats.wait_stats.waiting.map(|(reason, _)| reason.name()),
            waits_since: stats.wait_stats.waiting.map(|(_, since)| since),
            left_out: Reason::ALL.into_iter().zip(stats.left_out).map(pair).collect(),
        }
    }
}

/// See `source::live_bytes`.
#[pyfunction]
pub fn live_bytes() -> u64 {
    source::live_bytes()
}

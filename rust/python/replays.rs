//! The functions that append what a journal holds to the outbox of a page.
//!
//! Must not decide what a page may get: its owner is an argument. Cost: one copy of what is appended.

use pyo3::prelude::*;

use super::journal::Journal;
use super::outbox::Outbox;
use crate::executions::replay::{Replay, Voice};

/// `(session, ids, date, notice)`: the fields of `Voice`.
type Speaker = (String, String, String, String);

#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // pyo3 extracts tuples by value
pub fn append_replay(
    outbox: &Bound<'_, Outbox>,
    journal: &Journal,
    number: u64,
    voice: Speaker,
    reply: bool,
) -> PyResult<bool> {
    let Some(made) = journal.replay(number, of(&voice), reply)? else {
        return Ok(false);
    };
    append(outbox.get(), made)?;
    Ok(true)
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // pyo3 extracts tuples by value
pub fn append_widgets(
    outbox: &Bound<'_, Outbox>,
    journal: &Journal,
    owner: Option<&str>,
    request: (String, String),
    voice: Speaker,
    fill: bool,
) -> PyResult<(usize, usize, usize)> {
    let (made, counts) = journal.widgets(owner, &request.0, &request.1, of(&voice), fill)?;
    append(outbox.get(), made)?;
    Ok((counts.replayed, counts.evicted, counts.unknown))
}

fn append(outbox: &Outbox, made: Replay<'_>) -> PyResult<()> {
    outbox.with(|core| core.append_replay(made.messages, &made.id, &made.parent))
}

fn of((session, ids, date, notice): &Speaker) -> Voice<'_> {
    Voice {
        session,
        ids,
        date,
        notice,
    }
}

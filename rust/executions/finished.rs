//! How many executions of a journal have ended, how, and how long they ran: for metrics.
//!
//! Counts an execution once, when it ends, with the status that it has then. If it is forgotten later it stays counted; if it is
//! forgotten before its end it is never counted. Cost: a few additions for each execution.

use super::execution::{Execution, State, Status};

/// Counts since the journal began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Finished {
    /// Executions that ended as `ok`, `error`, `aborted` and `lost`.
    pub ends: [u64; 4],
    /// Executions by how long they ran: a bucket for each bound of `SECONDS`, bound included, and one for longer runs.
    pub durations: [u64; SECONDS.len() + 1],
    /// The seconds of all of them.
    pub seconds: f64,
}

impl Finished {
    /// Counts an execution that has just ended. One that never ran has no duration.
    pub fn add(&mut self, execution: &Execution) {
        let end = match (execution.state, execution.status()) {
            (State::Lost, _) => 3,
            (_, Some(Status::Aborted)) => 2,
            (_, Some(Status::Error)) => 1,
            _ => 0,
        };
        if let Some(count) = self.ends.get_mut(end) {
            *count += 1;
        }
        if let [_, Some(started), Some(finished)] = execution.times {
            let seconds = (finished - started).max(0.0);
            let bucket = SECONDS.partition_point(|bound| *bound < seconds);
            if let Some(count) = self.durations.get_mut(bucket) {
                *count += 1;
            }
            self.seconds += seconds;
        }
    }
}

/// The upper bounds of the buckets, in seconds: from a quick cell to a day.
pub const SECONDS: [f64; 12] = [
    0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 28800.0, 86400.0,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executions::execution::Event;
    use crate::executions::request::Request;

    fn queued() -> Execution {
        let request = Request {
            id: "a".into(),
            cell_id: None,
            source_sha256: [0; 32],
        };
        Execution::new(request, None, "page", 0.0)
    }

    #[test]
    fn each_end_has_a_count_and_each_run_a_duration() {
        let mut finished = Finished::default();
        let (mut ok, mut error, mut aborted, mut lost) = (queued(), queued(), queued(), queued());
        ok.begin(b"{}", 1.0);
        ok.on(Event::Idle, 1.5);
        error.begin(b"{}", 1.0);
        error.fail();
        error.on(Event::Idle, 100_001.0);
        aborted.on(Event::Idle, 2.0);
        lost.on(Event::ProcessEnds, 3.0);
        for execution in [&ok, &error, &aborted, &lost] {
            finished.add(execution);
        }
        assert_eq!(finished.ends, [1, 1, 1, 1]);
        assert_eq!(
            finished.durations.iter().sum::<u64>(),
            2,
            "what never ran has no duration"
        );
        assert_eq!((finished.durations[3], finished.durations[12]), (1, 1));
        assert!((finished.seconds - 100_000.5).abs() < 1e-9);
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_a_clock_that_runs_backwards_counts_as_no_time() {
        let mut finished = Finished::default();
        for (started, ended) in [(0.0, 0.01), (5.0, 1.0)] {
            let mut execution = queued();
            execution.on(Event::Begins, started);
            execution.on(Event::Idle, ended);
            finished.add(&execution);
        }
        assert_eq!(finished.durations[0], 2);
        assert!((finished.seconds - 0.01).abs() < 1e-9);
    }
}

//! What is compared after each operation, and what readers get.

use super::*;
use crate::executions::model::{Run, count, is_part, marks};
use crate::executions::read::{Output, Piece};
use crate::executions::replay::{Voice, replay};
use crate::executions::testing::{joined, read_of};
use crate::flow::entry::Count;
use crate::flow::transcode;
use crate::reader::wide;

impl Fuzz<'_> {
    /// Reads everything, and removes it.
    pub(super) fn finish(&mut self) {
        for index in 0..self.followers.len() {
            self.follow(index);
            while !self.stream(index) {}
        }
        let numbers: Vec<u64> = self.journal.iter().map(|(number, _)| number).collect();
        for number in numbers {
            self.read_all(number);
            self.replay_shows(number);
            self.journal.remove(number);
        }
        assert_eq!(self.journal.memory(), 0, "seed {}", self.seed);
    }

    /// The journal may have forgotten finished executions, the oldest first; `others` may be gone too.
    pub(super) fn forgets(&mut self, others: impl Fn(&Run) -> bool) {
        let (journal, limited) = (&self.journal, self.limited);
        let is_kept = |run: &Run| journal.get(run.number).is_some();
        let oldest = self
            .model
            .runs
            .iter()
            .find(|run| run.is_over() && is_kept(run))
            .map(|run| run.number);
        for run in self.model.runs.iter().filter(|run| !is_kept(run)) {
            let in_order = oldest.is_none_or(|oldest| run.number < oldest);
            assert!(
                run.is_over() && (others(run) || limited && in_order),
                "seed {}",
                self.seed
            );
        }
        self.model.runs.retain(is_kept);
        self.followers.retain(|follower| journal.get(follower.number).is_some());
        // A read closes a message and remembers a cursor, of each execution at most once
        let room = 300 * wide(journal.iter().count());
        let is_empty = |execution: &Execution| execution.log.slots(0).next().is_none() && execution.prompt.is_none();
        assert!(
            journal.memory() <= self.config.memory.saturating_add(room)
                || journal.iter().all(|(_, execution)| is_empty(execution)),
            "seed {}: {}",
            self.seed,
            journal.memory()
        );
    }

    /// States, and that all executions of the one are in the other.
    pub(super) fn compare(&mut self) {
        self.journal.check();
        assert_eq!(self.journal.iter().count(), self.model.runs.len(), "seed {}", self.seed);
        for run in &mut self.model.runs {
            let execution = self.journal.get(run.number).unwrap();
            // A prompt goes last, if the memory is full
            run.prompt &= !self.limited || execution.prompt.is_some();
            let (is, expected) = (
                (
                    execution.state,
                    execution.status(),
                    execution.count,
                    execution.prompt.is_some(),
                ),
                (run.state, run.status(), run.count, run.prompt),
            );
            assert_eq!(is, expected, "seed {}", self.seed);
        }
    }

    /// Reads with a random cursor and room. `read_of` checks the size.
    pub(super) fn read_anywhere(&mut self) {
        let id = self.some_id();
        let Some(number) = self.journal.number(&id) else { return };
        let newest = self.journal.get(number).unwrap().log.newest();
        let (since, max) = (self.random.below(newest + 3), self.random.below(1000));
        read_of(&mut self.journal, number, since, max);
        let read = read_of(&mut self.journal, number, since, u64::MAX);
        let run = self.model.run(&id).unwrap();
        assert!(
            is_part(&marks(&read.pieces), &marks(&run.pieces())),
            "seed {}",
            self.seed
        );
        if read.cleared {
            self.read_all(number);
        }
    }

    pub(super) fn read_all(&mut self, number: u64) {
        let read = read_of(&mut self.journal, number, 0, u64::MAX);
        let run = self.model.numbered(number);
        self.is_everything(&run.pieces(), &read.pieces, read.left_out);
    }

    /// A replay shows what a read returns, and its notices say what is missing.
    pub(super) fn replay_shows(&mut self, number: u64) {
        let read = read_of(&mut self.journal, number, 0, u64::MAX);
        let voice = Voice {
            session: "k",
            ids: "r",
            date: "",
            notice: "[{messages} {bytes}]",
        };
        let messages = self
            .journal
            .with(number, |execution| replay(execution, voice).messages)
            .unwrap();
        let (mut shown, mut missing) = (Vec::new(), Count::default());
        for entry in &messages {
            let mut message = transcode::decode(entry).unwrap();
            if message.channel.as_deref() != Some("iopub") {
                continue;
            }
            let content = message.parts.swap_remove(3);
            let notice = content.strip_prefix(br#"{"name":"stderr","text":"["#);
            if let Some(notice) = notice.and_then(|rest| rest.strip_suffix(br#"]"}"#)) {
                let numbers = std::str::from_utf8(notice).unwrap().split_once(' ').unwrap();
                missing.add(Count {
                    messages: numbers.0.parse().unwrap(),
                    bytes: numbers.1.parse().unwrap(),
                });
            } else {
                shown.push(Piece::Output(Output {
                    msg_type: String::new(),
                    content,
                }));
            }
        }
        assert_eq!(marks(&shown), marks(&read.pieces), "seed {}", self.seed);
        assert_eq!(missing, read.left_out, "seed {}", self.seed);
    }

    pub(super) fn follow(&mut self, index: usize) {
        let follower = &mut self.followers[index];
        let run = self.model.numbered(follower.number);
        let reader = &mut follower.reader;
        let (since, restarts, had, missed) = (reader.since, reader.restarts, reader.pieces.len(), reader.left_out);
        reader.follow(&mut self.journal, run.number);
        let (restarted, cleared) = (reader.restarts > restarts, follower.clears < run.clears);
        assert!(restarted || !cleared || since == 0, "seed {}", self.seed);
        assert!(!restarted || cleared || self.limited, "seed {}", self.seed);
        let (has, had, missed) = if restarted || cleared {
            (0, 0, Count::default())
        } else {
            (follower.has, had, missed)
        };
        (follower.clears, follower.has) = (run.clears, run.output.len());
        let missing = Count {
            messages: reader.left_out.messages - missed.messages,
            bytes: reader.left_out.bytes - missed.bytes,
        };
        let (pieces, new) = (reader.pieces.clone(), reader.pieces[had..].to_vec());
        self.is_everything(&run.pieces()[has..], &new, missing);
        if !self.limited {
            assert_eq!(joined(&pieces), joined(&run.pieces()), "seed {}", self.seed);
        }
    }

    /// Takes a step of a stream of events; at its end it has everything.
    pub(super) fn stream(&mut self, index: usize) -> bool {
        let max_bytes = self.random.size(300);
        let follower = &mut self.followers[index];
        if !follower.stepper.step(&mut self.journal, follower.number, max_bytes) {
            return false;
        }
        let run = self.model.numbered(follower.number);
        let (stepper, all) = (&follower.stepper, run.pieces());
        assert_eq!(stepper.got.messages, count(&all).messages, "seed {}", self.seed);
        let missing = stepper.got.messages - count(&stepper.pieces).messages;
        assert_eq!(stepper.missing.messages, missing, "seed {}", self.seed);
        if !self.limited {
            assert_eq!(joined(&stepper.pieces), joined(&all), "seed {}", self.seed);
        }
        true
    }

    /// What is there and what is missing is together `all`.
    fn is_everything(&self, all: &[Piece], there: &[Piece], missing: Count) {
        let mut sum = count(there);
        sum.add(missing);
        assert_eq!(sum, count(all), "seed {}", self.seed);
        assert!(is_part(&marks(there), &marks(all)), "seed {}", self.seed);
        if !self.limited {
            assert_eq!(
                (missing, joined(there)),
                (Count::default(), joined(all)),
                "seed {}",
                self.seed
            );
        }
    }
}

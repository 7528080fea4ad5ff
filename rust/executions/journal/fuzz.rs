//! Lists of random operations on a journal, compared with a model that keeps everything.
//!
//! Without limits, a journal has what the model has, and a reader that follows has it too. With limits, what it has and what it
//! says is missing are together what the model has, exactly; only finished executions are forgotten, the oldest first; and the
//! memory is within its limit. A failure names its seed: `run(seed, limited)` repeats it.

use std::collections::HashSet;

use super::*;
use crate::client_wire::Protocol;
use crate::executions::execution::{State, Status};
use crate::executions::model::{Model, Shown, displays_in};
use crate::executions::testing::{BUSY, IDLE, Random, Reader, Stepper, UNLIMITED, answer, feed_as, feed_on, request};
use crate::flow::testing::batch;

#[test]
fn without_limits_a_journal_and_its_readers_have_everything() {
    (0..300).for_each(|seed| run(seed, false));
}

#[test]
fn with_limits_what_is_there_and_what_is_missing_is_everything() {
    (0..600).for_each(|seed| run(seed, true));
}

mod checks;

/// Runs the operations of one seed.
pub fn run(seed: u64, limited: bool) {
    let mut fuzz = Fuzz::new(Random::new(seed), seed, limited);
    for _ in 0..fuzz.random.below(100) + 20 {
        fuzz.step();
        fuzz.compare();
    }
    fuzz.finish();
}

/// Runs the operations that `data` chooses.
pub fn run_bytes(data: &[u8]) {
    let mut random = Random::of(data);
    let limited = random.one_in(2);
    let mut fuzz = Fuzz::new(random, 0, limited);
    fuzz.large = 0;
    while !fuzz.random.is_empty() {
        fuzz.step();
        fuzz.compare();
    }
    fuzz.finish();
}

/// A reader, and what it has read: of which execution, after how many clears, how many messages.
struct Follower {
    reader: Reader,
    stepper: Stepper,
    number: u64,
    clears: u64,
    has: usize,
}

struct Fuzz<'a> {
    seed: u64,
    limited: bool,
    random: Random<'a>,
    config: Config,
    journal: Journal,
    model: Model,
    followers: Vec<Follower>,
    now: f64,
    last: u64,
    /// How many more very long messages there may be. A fuzzer has none: it would get nothing else done.
    large: u64,
}

impl<'a> Fuzz<'a> {
    fn new(random: Random<'a>, seed: u64, limited: bool) -> Self {
        let mut fuzz = Self {
            seed,
            limited,
            random,
            config: UNLIMITED,
            journal: Journal::default(),
            model: Model::default(),
            followers: Vec::new(),
            now: 0.0,
            last: 0,
            large: u64::MAX,
        };
        fuzz.configure();
        fuzz
    }

    fn configure(&mut self) {
        if self.limited {
            self.config = Config {
                executions: *self.random.choose(&[1, 3, 100]),
                memory: *self.random.choose(&[3_000, 10_000, 30_000, 100_000, 1_000_000]),
                text: *self.random.choose(&[0, 1, 20, 200, 2000, 200_000]),
                age: *self.random.choose(&[10.0, f64::INFINITY]),
            };
        }
        self.journal.configure(self.config);
        self.forgets(|_| false);
    }

    fn step(&mut self) {
        self.now += 1.0;
        match self.random.below(24) {
            0 | 1 => self.submit(),
            2 => self.reply(),
            3 => self.ask(),
            4 => self.answer(),
            5 if self.random.one_in(5) => self.end_process(),
            6 if self.random.one_in(3) => self.remove(),
            7 if self.limited && self.random.one_in(5) => self.configure(),
            8..10 => self.read_anywhere(),
            10..13 if !self.followers.is_empty() => {
                let index = self.random.size(self.followers.len());
                self.follow(index);
            }
            13..15 if !self.followers.is_empty() => {
                let index = self.random.size(self.followers.len());
                _ = self.stream(index);
            }
            _ => self.publish(),
        }
    }

    fn submit(&mut self) {
        let id = self.random.below(30).to_string();
        let (cell, owner) = (
            *self.random.choose(&[None, Some("a"), Some("b")]),
            *self.random.choose(&[None, Some("u")]),
        );
        let known = self.model.run(&id).is_some();
        let (now, age) = (self.now, self.config.age);
        let kept = self.journal.submit(request(&id, cell), owner, "session", now);
        let is_old = self
            .model
            .run(&id)
            .is_none_or(|run| run.is_over() && run.finished + age < now);
        assert!(!kept || is_old, "seed {}", self.seed);
        if kept {
            self.model.runs.retain(|run| run.id != id);
            self.model.submit(self.journal.newest(), &id, cell, owner);
            let follower = |_| Follower {
                reader: Reader::default(),
                stepper: Stepper::default(),
                number: self.journal.newest(),
                clears: 0,
                has: 0,
            };
            self.followers.extend((0..2).map(follower));
        } else if !known {
            assert!(self.limited && self.journal.iter().all(|(_, execution)| !execution.state.is_over()));
        }
        self.forgets(|run| run.finished + age < now || run.ends_with(cell, owner));
    }

    fn some_id(&mut self) -> String {
        let run = self.random.size(self.model.runs.len() + 1);
        let run = self.model.runs.get(run);
        run.map_or("foreign".to_owned(), |run| run.id.clone())
    }

    fn publish(&mut self) {
        let mut there = displays_in(&self.journal);
        let lines: Vec<(&str, String, String)> = (0..=self.random.below(8)).map(|_| self.message(&mut there)).collect();
        let lines: Vec<_> = lines.iter().map(|line| (line.0, &line.1[..], &line.2[..])).collect();
        let batch = batch("iopub", &lines);
        // With limits, bytes are counted as in v1
        let is_legacy = !self.limited && batch.wire(Protocol::Legacy).refused.is_empty() && self.random.one_in(2);
        let protocol = if is_legacy { Protocol::Legacy } else { Protocol::V1 };
        feed_as(&mut self.journal, &batch, protocol, self.now);
        self.forgets(|_| false);
    }

    /// A random message, which the model gets.
    fn message(&mut self, there: &mut HashSet<u64>) -> (&'static str, String, String) {
        self.last += 1;
        let (id, n) = (self.some_id(), self.last);
        let filler = self.filler();
        let name = *self.random.choose(&["stdout", "stdout", "stderr"]);
        let display = *self.random.choose(&["x", "y"]);
        let data = format!(r#"{{"text/plain":"<{n}>{filler}"}}"#);
        let with_id = format!(r#""metadata":{{}},"transient":{{"display_id":"{display}","n":{n}}}"#);
        let (msg_type, content) = match self.random.below(20) {
            0..8 => ("stream", format!(r#"{{"name":"{name}","text":"<{n}>{filler}"}}"#)),
            8 => ("stream", format!("not json <{n}>{filler}")),
            9 => ("display_data", format!(r#"{{"data":{data}}}"#)),
            10 | 11 => ("display_data", format!(r#"{{"data":{data},{with_id}}}"#)),
            12 => (
                "execute_result",
                format!(r#"{{"data":{data},"execution_count":{n},{with_id}}}"#),
            ),
            13 => ("error", format!(r#"{{"ename":"<{n}>{filler}"}}"#)),
            14 => (
                "clear_output",
                (*self.random.choose(&[r#"{"wait":true}"#, r#"{"wait":false}"#, "{"])).to_owned(),
            ),
            15 | 16 => (
                "update_display_data",
                format!(r#"{{"data":{data},"transient":{{"display_id":"{display}"}}}}"#),
            ),
            17 => ("execute_input", format!(r#"{{"execution_count":{n}}}"#)),
            _ => ("status", (*self.random.choose(&[BUSY, IDLE, IDLE, "{}"])).to_owned()),
        };
        if msg_type == "update_display_data" {
            self.model.update(display, &data, there);
        } else if let Some(run) = self.model.run(&id) {
            let now = self.now;
            match (msg_type, &content[..]) {
                ("clear_output", r#"{"wait":true}"#) => run.clear_waits = true,
                ("clear_output", _) => run.clear(),
                ("execute_input", _) => {
                    run.begin();
                    run.sees(Status::Ok);
                    run.count = Some(n);
                }
                ("status", BUSY) => run.begin(),
                ("status", IDLE) => run.end(State::Done, now),
                ("status", _) => {}
                _ => {
                    if msg_type == "error" {
                        run.sees(Status::Error);
                    }
                    let display = content.contains("transient").then_some((display, n));
                    there.insert(n);
                    run.show(Shown {
                        msg_type,
                        content: content.clone(),
                        display,
                    });
                }
            }
        }
        (msg_type, id, content)
    }

    fn filler(&mut self) -> String {
        if self.large > 0 && self.random.one_in(100) {
            self.large -= 1;
            return "x".repeat(70_000);
        }
        let unit = *self.random.choose(&["a", r"\n", "é", r"\ud83d", r"\ude00", r"\\"]);
        unit.repeat(self.random.size(30))
    }

    fn reply(&mut self) {
        let id = self.some_id();
        let (content, status) = *self.random.choose(&[
            (r#"{"status":"ok","execution_count":5}"#, Some(Status::Ok)),
            (r#"{"status":"error"}"#, Some(Status::Error)),
            (r#"{"status":"aborted"}"#, Some(Status::Aborted)),
            ("{", None),
        ]);
        if let Some(run) = self.model.run(&id) {
            run.reply = status.or(run.reply);
            run.count = run.count.or((status == Some(Status::Ok)).then_some(5));
        }
        feed_on(&mut self.journal, "shell", &[("execute_reply", &id, content)], self.now);
        self.forgets(|_| false);
    }

    fn ask(&mut self) {
        let id = self.some_id();
        if let Some(run) = self.model.run(&id) {
            run.prompt = !run.is_over();
        }
        let content = format!(r#"{{"prompt":"{}"}}"#, self.filler());
        feed_on(
            &mut self.journal,
            "stdin",
            &[("input_request", &id, &content)],
            self.now,
        );
        self.forgets(|_| false);
    }

    fn answer(&mut self) {
        let id = self.some_id();
        self.last += 1;
        let text = format!("<{}>", self.last);
        let number = self.journal.number(&id).unwrap_or(0);
        let waits = self
            .journal
            .get(number)
            .is_some_and(|execution| execution.prompt.is_some());
        assert_eq!(self.journal.take_prompt(number, answer(&text)).is_some(), waits);
        if waits {
            let run = self.model.run(&id).unwrap();
            run.prompt = false;
            let content = format!(r#"{{"name":"stdin","text":"{text}"}}"#);
            run.show(Shown {
                msg_type: "stream",
                content,
                display: None,
            });
        }
        self.journal.check();
        self.forgets(|_| false);
    }

    fn end_process(&mut self) {
        let open = self.model.open();
        let mut lost = self.journal.process_ended(self.now);
        lost.sort_unstable();
        assert_eq!(lost, open);
        self.model
            .runs
            .iter_mut()
            .for_each(|run| run.end(State::Lost, self.now));
    }

    fn remove(&mut self) {
        let id = self.some_id();
        let number = self.journal.number(&id);
        assert_eq!(
            number.is_some_and(|number| self.journal.remove(number)),
            number.is_some()
        );
        self.model.runs.retain(|run| run.id != id);
        self.followers.retain(|follower| Some(follower.number) != number);
    }
}

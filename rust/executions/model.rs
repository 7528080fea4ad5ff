//! A model of a journal that keeps everything, for the fuzzer: lists and strings, no limits, no merging.
//!
//! Messages have a mark such as `<17>`, so that the order of what a journal returns can be compared with what went in.

use std::collections::HashSet;

use super::execution::{State, Status};
use super::journal::Journal;
use super::read::{Output, Piece};
use crate::flow::entry::{Count, Item};
use crate::flow::merge::{text_bytes, text_range};
use crate::json;
use crate::reader::wide;

/// A message of an execution's output.
#[derive(Clone)]
pub struct Shown {
    pub msg_type: &'static str,
    pub content: String,
    /// Of a display with an id: the id, and its number, which is in its content.
    pub display: Option<(&'static str, u64)>,
}

/// An execution.
pub struct Run {
    pub number: u64,
    pub id: String,
    pub cell: Option<&'static str>,
    pub owner: Option<&'static str>,
    pub state: State,
    /// The status that its messages show.
    pub seen: Status,
    pub reply: Option<Status>,
    pub count: Option<u64>,
    pub prompt: bool,
    pub finished: f64,
    pub output: Vec<Shown>,
    pub clear_waits: bool,
    /// How often its output was cleared.
    pub clears: u64,
}

#[derive(Default)]
pub struct Model {
    pub runs: Vec<Run>,
}

impl Model {
    pub fn numbered(&self, number: u64) -> &Run {
        self.runs.iter().find(|run| run.number == number).unwrap()
    }

    /// The numbers of those that are not over, sorted.
    pub fn open(&self) -> Vec<u64> {
        let open = self.runs.iter().filter(|run| !run.is_over());
        let mut numbers: Vec<u64> = open.map(|run| run.number).collect();
        numbers.sort_unstable();
        numbers
    }

    pub fn submit(&mut self, number: u64, id: &str, cell: Option<&'static str>, owner: Option<&'static str>) {
        self.runs.retain(|run| !run.ends_with(cell, owner));
        self.runs.push(Run {
            number,
            id: id.to_owned(),
            cell,
            owner,
            state: State::Queued,
            seen: Status::Aborted,
            reply: None,
            count: None,
            prompt: false,
            finished: 0.0,
            output: Vec::new(),
            clear_waits: false,
            clears: 0,
        });
    }

    pub fn run(&mut self, id: &str) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.id == id)
    }

    /// Updates the displays with this id whose numbers are in `there`.
    pub fn update(&mut self, id: &str, data: &str, there: &HashSet<u64>) {
        for shown in self.runs.iter_mut().flat_map(|run| &mut run.output) {
            if shown
                .display
                .is_some_and(|(of, number)| of == id && there.contains(&number))
            {
                let value = |key: &[u8]| {
                    let value = json::member(shown.content.as_bytes(), key)?;
                    Some(String::from_utf8(value.to_vec()).unwrap())
                };
                let count =
                    value(b"execution_count").map_or(String::new(), |count| format!(r#""execution_count":{count},"#));
                let transient = value(b"transient").unwrap();
                shown.content = format!(r#"{{{count}"transient":{transient},"data":{data},"metadata":{{}}}}"#);
            }
        }
    }
}

impl Run {
    pub fn is_over(&self) -> bool {
        self.state.is_over()
    }

    /// Whether a new run of a cell ends this one.
    pub fn ends_with(&self, cell: Option<&str>, owner: Option<&str>) -> bool {
        self.is_over() && self.cell.is_some() && self.cell == cell && self.owner == owner
    }

    pub fn show(&mut self, shown: Shown) {
        if std::mem::take(&mut self.clear_waits) {
            self.clear();
        }
        self.output.push(shown);
    }

    pub fn clear(&mut self) {
        self.clear_waits = false;
        self.clears += 1;
        self.output.clear();
    }

    pub fn sees(&mut self, status: Status) {
        if self.seen != Status::Error {
            self.seen = status;
        }
    }

    pub fn begin(&mut self) {
        if self.state == State::Queued {
            self.state = State::Running;
        }
    }

    pub fn end(&mut self, state: State, now: f64) {
        if !self.is_over() {
            (self.state, self.prompt, self.finished) = (state, false, now);
        }
    }

    pub fn status(&self) -> Option<Status> {
        (self.state == State::Done).then_some(self.reply.unwrap_or(self.seen))
    }

    /// Its output as a reader would get it if nothing were merged.
    pub fn pieces(&self) -> Vec<Piece> {
        let piece = |shown: &Shown| {
            Piece::Output(Output {
                msg_type: shown.msg_type.to_owned(),
                content: shown.content.clone().into(),
            })
        };
        self.output.iter().map(piece).collect()
    }
}

/// What the outputs of an execution count for.
pub fn count(pieces: &[Piece]) -> Count {
    let mut sum = Count::default();
    for piece in pieces {
        let Piece::Output(output) = piece else { continue };
        let content = std::str::from_utf8(&output.content).unwrap();
        let text = text_range(content.as_bytes()).map(|range| &content[range]);
        let (messages, bytes) = match (&output.msg_type[..], text) {
            ("stream", Some(_)) if content.starts_with(r#"{"name":"stdin""#) => (1, wide(content.len())),
            ("stream", Some(text)) => (wide(text.matches('<').count()), wide(text.len())),
            ("stream", None) => (1, text_bytes(content.as_bytes())),
            _ => (1, wide(content.len())),
        };
        sum.add(Count { messages, bytes });
    }
    sum
}

/// The marks of all outputs, in order.
pub fn marks(pieces: &[Piece]) -> Vec<u64> {
    let mut marks = Vec::new();
    for piece in pieces {
        let Piece::Output(output) = piece else { continue };
        let content = std::str::from_utf8(&output.content).unwrap();
        marks.extend(
            content
                .split('<')
                .skip(1)
                .map(|rest| rest.split_once('>').unwrap().0.parse::<u64>().unwrap()),
        );
    }
    marks
}

/// Whether `some` is `all` without some of its elements.
pub fn is_part(some: &[u64], all: &[u64]) -> bool {
    let mut all = all.iter();
    some.iter().all(|one| all.any(|other| other == one))
}

/// The numbers of the displays that a journal still has.
pub fn displays_in(journal: &Journal) -> HashSet<u64> {
    let slots = journal.iter().flat_map(|(_, execution)| execution.log.slots(0));
    let contents = slots.filter_map(|slot| match &slot.item {
        Item::Message(entry) => Some(String::from_utf8_lossy(entry.frame.payload()).into_owned()),
        Item::Gap(_) | Item::Hole => None,
    });
    let number = |content: String| content.split_once(r#""n":"#)?.1.split_once('}')?.0.parse().ok();
    contents.filter_map(number).collect()
}

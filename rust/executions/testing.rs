//! Shared by the tests of this folder: requests, batches for a journal, a reader that follows, and random numbers.

use bytes::Bytes;

use super::execution::Execution;
use super::follow::{self as stepped, follow};
use super::journal::{Config, Journal};
use super::log::Log;
use super::read::{Output, Piece, Read, read};
use super::request::Request;
use crate::batch::Batch;
use crate::client_wire::Protocol;
use crate::client_wire::v1;
use crate::client_wire::websocket::Opcode;
use crate::flow::entry::{Count, Item};
use crate::flow::frame::Frame;
use crate::flow::testing::{Line, batch, encoded, text};
use crate::json;
pub use crate::proof::random::Random;
use crate::reader::wide;

pub const UNLIMITED: Config = Config {
    executions: usize::MAX,
    memory: u64::MAX,
    text: 0,
    age: f64::INFINITY,
};

/// A journal with open executions of these ids, which are numbered from 1.
pub fn journal(config: Config, ids: &[&str]) -> Journal {
    let mut journal = Journal::default();
    journal.configure(config);
    for id in ids {
        assert!(submit(&mut journal, id, None, 0.0));
    }
    journal
}

pub fn submit(journal: &mut Journal, id: &str, cell: Option<&str>, now: f64) -> bool {
    journal.submit(request(id, cell), None, "session", now)
}

pub fn request(id: &str, cell: Option<&str>) -> Request {
    let header = format!(r#"{{"msg_id":"{id}","msg_type":"execute_request"}}"#);
    let metadata = cell.map_or("{}".to_owned(), |cell| format!(r#"{{"cellId":"{cell}"}}"#));
    let parts = [&header, "{}", &metadata, r#"{"code":"1"}"#].map(|part| Bytes::from(part.to_owned()));
    Request::read(&parts).unwrap()
}

/// Passes one batch of IOPub messages to the journal.
pub fn feed(journal: &mut Journal, lines: &[Line<'_>]) -> Vec<u64> {
    feed_on(journal, "iopub", lines, 0.0)
}

pub fn feed_on(journal: &mut Journal, channel: &str, lines: &[Line<'_>], now: f64) -> Vec<u64> {
    feed_batch(journal, &batch(channel, lines), now)
}

pub fn feed_batch(journal: &mut Journal, batch: &Batch, now: f64) -> Vec<u64> {
    feed_as(journal, batch, Protocol::V1, now)
}

/// Like `feed_batch`, encoded for the subprotocol that a client happens to use.
pub fn feed_as(journal: &mut Journal, batch: &Batch, protocol: Protocol, now: f64) -> Vec<u64> {
    let changed = journal.append(&encoded(batch, protocol), now);
    journal.check();
    changed
}

pub const IDLE: &str = r#"{"execution_state":"idle"}"#;
pub const BUSY: &str = r#"{"execution_state":"busy"}"#;

pub fn finish(journal: &mut Journal, id: &str, now: f64) {
    feed_on(journal, "iopub", &[("status", id, IDLE)], now);
}

/// The content of a display with an id.
pub fn display(id: &str, data: &str) -> String {
    format!(r#"{{"data":{{"text/plain":"{data}"}},"metadata":{{}},"transient":{{"display_id":"{id}"}}}}"#)
}

/// What an update with the content `display(id, data)` makes of such a display.
pub fn updated(id: &str, data: &str) -> String {
    format!(r#"{{"transient":{{"display_id":"{id}"}},"data":{{"text/plain":"{data}"}},"metadata":{{}}}}"#)
}

/// A `stream` on stdin, as the server makes it of an answered prompt.
pub fn answer(text: &str) -> Frame {
    let parts = answer_parts(text);
    let mut gather = crate::client_wire::gather::Gather::default();
    v1::encode("iopub", &parts, &mut gather);
    Frame::own(Opcode::Binary, &gather.into_vec())
}

/// The bytes that count for it.
pub fn answer_bytes(text: &str) -> u64 {
    wide(answer_parts(text)[3].len())
}

fn answer_parts(text: &str) -> [Bytes; 4] {
    let content = format!(r#"{{"name":"stdin","text":"{text}"}}"#);
    [r#"{"msg_id":"s","msg_type":"stream"}"#, "{}", "{}", &content].map(|part| Bytes::from(part.to_owned()))
}

pub fn execution(journal: &Journal, number: u64) -> &Execution {
    journal.get(number).unwrap()
}

pub fn read_of(journal: &mut Journal, number: u64, since: u64, max_bytes: u64) -> Read {
    let found = journal.with(number, |execution| read(&mut execution.log, since, max_bytes));
    journal.check();
    let found = found.unwrap();
    let sizes = found
        .pieces
        .iter()
        .map(size)
        .chain(found.updates.iter().map(|output| wide(output.content.len())));
    assert!(sizes.sum::<u64>() <= max_bytes);
    let gaps: Vec<bool> = found.pieces.iter().map(|piece| *piece == Piece::Gap).collect();
    assert_eq!(
        gaps.contains(&true),
        found.left_out != Count::default(),
        "a gap says that something is missing"
    );
    assert!(!gaps.windows(2).any(|pair| pair == [true, true]));
    found
}

fn size(piece: &Piece) -> u64 {
    match piece {
        Piece::Output(output) => wide(output.content.len()),
        Piece::Gap => 0,
    }
}

/// The ids of all executions, oldest first.
pub fn ids(journal: &Journal) -> Vec<&str> {
    let mut ids: Vec<&str> = journal.iter().map(|(_, execution)| &*execution.request.id).collect();
    ids.reverse();
    ids
}

/// All contents, with `gap` where something is missing.
pub fn shown(journal: &mut Journal, number: u64) -> Vec<String> {
    contents(&read_of(journal, number, 0, u64::MAX))
}

pub fn contents(read: &Read) -> Vec<String> {
    let content = |piece: &Piece| match piece {
        Piece::Output(output) => String::from_utf8_lossy(&output.content).into_owned(),
        Piece::Gap => "gap".to_owned(),
    };
    read.pieces.iter().map(content).collect()
}

pub fn left_out(read: &Read) -> (u64, u64) {
    (read.left_out.messages, read.left_out.bytes)
}

/// A client that asks again and again with the cursor that it got last.
#[derive(Default)]
pub struct Reader {
    pub since: u64,
    pub pieces: Vec<Piece>,
    pub left_out: Count,
    /// How often it had to begin anew.
    pub restarts: u64,
}

impl Reader {
    /// Reads what is new, as a page or a script would.
    pub fn follow(&mut self, journal: &mut Journal, number: u64) {
        let read = read_of(journal, number, self.since, u64::MAX);
        if read.cleared {
            self.pieces.clear();
            self.left_out = Count::default();
            self.restarts += 1;
            assert_eq!(read.updates, []);
        }
        assert!(read.next >= self.since);
        self.since = read.next;
        for update in &read.updates {
            change(&mut self.pieces, update);
        }
        self.pieces.extend(read.pieces);
        self.left_out.add(read.left_out);
    }

    pub fn contents(&self) -> Vec<String> {
        let pieces = self.pieces.clone();
        contents(&Read {
            pieces,
            ..Read::default()
        })
    }
}

/// Replaces the display by its update, which must be of one that the reader has.
fn change(pieces: &mut [Piece], update: &Output) {
    let (mut found, shown) = (false, shows(update).unwrap());
    for piece in pieces {
        if let Piece::Output(old) = piece
            && old.msg_type == update.msg_type
            && shows(old).is_some_and(|old| old == shown)
        {
            old.content = update.content.clone();
            found = true;
        }
    }
    assert!(found, "an update is of a display that the reader has");
}

/// A client that gets events, as in `stream.py`: it counts what it has got, and at the end what is missing.
#[derive(Default)]
pub struct Stepper {
    pub since: u64,
    pub pieces: Vec<Piece>,
    /// What it has got or knows to be missing.
    pub got: Count,
    /// What it knows to be missing.
    pub missing: Count,
}

impl Stepper {
    /// Takes one step. True: it has everything.
    pub fn step(&mut self, journal: &mut Journal, number: u64, max_bytes: usize) -> bool {
        let step = journal.with(number, |execution| follow(&mut execution.log, self.since, max_bytes));
        journal.check();
        let step = step.unwrap();
        if step.cleared {
            *self = Self::default();
        }
        assert!(step.next > self.since || step.at_end);
        for update in &step.updates {
            change(&mut self.pieces, update);
        }
        let len = |piece: &stepped::Piece| piece.output.as_ref().map_or(0, |output| output.content.len());
        let sizes: Vec<usize> = step
            .pieces
            .iter()
            .map(len)
            .chain(step.updates.iter().map(|output| output.content.len()))
            .collect();
        assert!(sizes.iter().filter(|size| **size > 0).count() < 2 || sizes.iter().sum::<usize>() <= max_bytes);
        for piece in step.pieces {
            assert!(self.since < piece.at && piece.at <= step.next);
            self.got.add(piece.count);
            if piece.output.is_none() {
                self.missing.add(piece.count);
            }
            self.pieces.push(piece.output.map_or(Piece::Gap, Piece::Output));
        }
        self.since = step.next;
        if step.at_end {
            let late = Count {
                messages: step.appended.messages - self.got.messages,
                bytes: step.appended.bytes.saturating_sub(self.got.bytes),
            };
            self.missing.add(late);
            self.got = step.appended;
        }
        step.at_end
    }
}

/// What an update of a display does not change, besides its type. None: it has no id.
fn shows(output: &Output) -> Option<[&[u8]; 2]> {
    let transient = json::member(&output.content, b"transient")?;
    let count = json::member(&output.content, b"execution_count");
    Some([transient, count.unwrap_or_default()])
}

/// Adjacent texts of one name in one piece.
pub fn joined(pieces: &[Piece]) -> Vec<String> {
    let mut out: Vec<(Option<String>, String)> = Vec::new();
    for piece in pieces {
        let Piece::Output(output) = piece else {
            out.push((None, "gap".to_owned()));
            continue;
        };
        let content = String::from_utf8(output.content.to_vec()).unwrap();
        let place = crate::flow::merge::text_range(content.as_bytes()).filter(|_| output.msg_type == "stream");
        let Some(place) = place else {
            out.push((None, format!("{} {content}", output.msg_type)));
            continue;
        };
        let name = content[..place.start].to_owned();
        match out.last_mut() {
            Some((Some(last), text)) if *last == name => text.push_str(&content[place]),
            _ => out.push((Some(name), content[place].to_owned())),
        }
    }
    out.into_iter()
        .map(|(name, text)| name.unwrap_or_default() + &text)
        .collect()
}

/// At most so many bytes of text.
pub fn with_text(text: u64) -> Config {
    Config { text, ..UNLIMITED }
}

/// Each text in a batch of its own.
pub fn say(journal: &mut Journal, texts: &[&str]) {
    for each in texts {
        feed(journal, &[("stream", "p", &text(each))]);
    }
}

/// What a log has, slot by slot: number, frame and count.
pub fn slots(log: &Log) -> Vec<(u64, Vec<u8>, Count)> {
    let slots = log.slots(0).map(|slot| match &slot.item {
        Item::Message(entry) => (slot.seq, entry.frame.bytes().to_vec(), Count::of(entry)),
        Item::Gap(gap) => (slot.seq, Vec::new(), gap.count),
        Item::Hole => (slot.seq, Vec::new(), Count::default()),
    });
    slots.collect()
}

//! Helpers for the tests of this folder: messages, and what a client receives.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::config::Config;
use super::encoded::Encoded;
use super::entry::{Item, Parent};
use super::frame::Frame;
use super::lane::IopubLane;
use super::leave::Taken;
use super::merge::OpenMessage;
use super::outbox::Outbox;
use super::process::Ended;
use super::rate_window::Limits;
use super::source::Source;
use super::zone::{Sums, Zone};
use crate::batch::Batch;
use crate::client_wire::gather::Gather;
use crate::client_wire::websocket::Opcode;
use crate::client_wire::{ClientMessage, Protocol, legacy, v1};
use crate::kernel_wire::frames::FramesBuilder;
use crate::kernel_wire::signature::Signer;
use crate::reader::wide;
use crate::receiver::Receiver;

pub const MERGING: Config = Config {
    merge_window: 0.016,
    ..Config::UNLIMITED
};

/// Two counted messages a second.
pub const HELD: Config = Config {
    hold: true,
    limits: Limits {
        messages: 2.0,
        bytes: 0.0,
        window: 1.0,
    },
    ..MERGING
};

/// `(msg_type, parent's msg_id, content)`
pub type Line<'a> = (&'a str, &'a str, &'a str);

pub fn batch(channel: &str, lines: &[Line<'_>]) -> Batch {
    let parents: Vec<String> = lines
        .iter()
        .map(|line| format!(r#"{{"msg_id":"{}"}}"#, line.1))
        .collect();
    let lines: Vec<Line<'_>> = lines
        .iter()
        .zip(&parents)
        .map(|(line, parent)| (line.0, &parent[..], line.2))
        .collect();
    batch_of_parents(channel, &lines)
}

/// Like `batch`, with whole parent_headers instead of msg_ids.
pub fn batch_of_parents(channel: &str, lines: &[Line<'_>]) -> Batch {
    batch_of_parts(channel, lines, &[])
}

/// Like `batch_of_parents`, with one buffer in each message.
pub fn batch_with_buffer(channel: &str, lines: &[Line<'_>]) -> Batch {
    batch_of_parts(channel, lines, &["buffer"])
}

fn batch_of_parts(channel: &str, lines: &[Line<'_>], buffers: &[&str]) -> Batch {
    batch_of_process("", channel, lines, buffers)
}

pub fn batch_of_process(session: &str, channel: &str, lines: &[Line<'_>], buffers: &[&str]) -> Batch {
    batch_of_processes(&[session], channel, lines, buffers)
}

/// Each message is of the process whose `header.session` is the next one of `sessions`, in turn.
pub fn batch_of_processes(sessions: &[&str], channel: &str, lines: &[Line<'_>], buffers: &[&str]) -> Batch {
    let mut frames = FramesBuilder::default();
    for ((msg_type, parent, content), session) in lines.iter().zip(sessions.iter().cycle()) {
        let session = match *session {
            "" => String::new(),
            session => format!(r#","session":"{session}""#),
        };
        let header = format!(r#"{{"msg_id":"m","msg_type":"{msg_type}"{session}}}"#);
        for part in ["<IDS|MSG>", "", &header, parent, "{}", content].iter().chain(buffers) {
            frames.copy(part.as_bytes());
        }
        frames.end_message();
    }
    let signer = Signer::new(b"", "hmac-sha256").unwrap();
    let batch = Receiver::new(signer, 0, false, true).process(channel, frames.finish());
    assert_eq!(batch.malformed(), []);
    batch
}

pub fn encoded(batch: &Batch, protocol: Protocol) -> Encoded {
    let pack = |gather: Gather<'_>| Source::new(Bytes::from(gather.into_vec()), Some(Box::new("the batch")));
    Encoded::new(Arc::new(batch.clone()), protocol, pack)
}

/// Appends IOPub messages.
pub fn append(outbox: &mut Outbox, lines: &[Line<'_>], now: f64) {
    append_on(outbox, "iopub", lines, now);
}

pub fn append_on(outbox: &mut Outbox, channel: &str, lines: &[Line<'_>], now: f64) {
    let batch = batch(channel, lines);
    outbox.append(&encoded(&batch, outbox.protocol()), 0, lines.len(), now);
}

/// Appends IOPub messages of the process whose `header.session` is `session`, with whole parent_headers.
pub fn append_of(outbox: &mut Outbox, session: &str, lines: &[Line<'_>], now: f64) {
    let batch = batch_of_process(session, "iopub", lines, &[]);
    outbox.append(&encoded(&batch, outbox.protocol()), 0, lines.len(), now);
}

/// A `stream` on stdout.
pub fn text(text: &str) -> String {
    format!(r#"{{"name":"stdout","text":"{text}"}}"#)
}

pub fn update(id: &str, value: u32) -> String {
    format!(r#"{{"transient":{{"display_id":"{id}"}},"value":{value}}}"#)
}

pub fn decode(frame: &Frame) -> ClientMessage {
    let payload = frame.shared_payload();
    match frame.opcode() {
        Opcode::Text => legacy::decode_text(&payload).unwrap(),
        Opcode::Binary => v1::decode(&payload, false, u64::MAX).unwrap(),
    }
}

/// The contents of all messages that are sent at `now`. Gaps are filled and listed; a block is listed and ends the list.
pub fn take(outbox: &mut Outbox, now: f64) -> Vec<String> {
    let mut out = Vec::new();
    loop {
        match outbox.take_messages(now, 1 << 30) {
            Taken::Frames(frames) => out.extend(frames.pieces.iter().map(|frame| {
                let content = decode(frame).parts.swap_remove(3);
                String::from_utf8_lossy(&content).into_owned()
            })),
            Taken::Gap(id, gap) => {
                let (count, reason) = (gap.count, gap.reason);
                let notice = format!("{reason:?} {} {}", count.messages, count.bytes);
                out.push(format!("{notice} of {}", String::from_utf8_lossy(&gap.parent.header)));
                assert!(outbox.fill_gap(id, Opcode::Binary, &notice_of(&notice)));
                // The notice itself is not listed
                let Taken::Frames(_) = outbox.take_messages(now, 1) else {
                    return out;
                };
            }
            Taken::Block(id) => {
                out.push(format!("block {id}"));
                return out;
            }
            Taken::Nothing(_) => return out,
        }
    }
}

pub fn wake_at(outbox: &mut Outbox, now: f64) -> Option<f64> {
    match outbox.take(now, 1 << 30) {
        Taken::Nothing(at) => at,
        _ => panic!("something left"),
    }
}

/// A message of the server with this text.
pub fn notice_of(text: &str) -> Vec<u8> {
    let header = r#"{"msg_id":"n","msg_type":"stream"}"#;
    let parts = [header, "{}", "{}", &format!(r#"{{"text":"{text}"}}"#)].map(|part| Bytes::from(part.to_owned()));
    let mut gather = crate::client_wire::gather::Gather::default();
    v1::encode("iopub", &parts, &mut gather);
    gather.into_vec()
}

/// Checks that every appended message is counted as sent, queued, dropped or refused.
pub fn assert_balanced(outbox: &Outbox) {
    let stats = outbox.stats();
    let left_out: u64 = stats.left_out.iter().map(|count| count.messages).sum();
    assert_eq!(
        stats.cursors.appended,
        stats.cursors.sent + stats.waiting + left_out + stats.refused
    );
}

/// Counts memory anew, each parent once.
#[derive(Default)]
pub struct Recount {
    parents: HashMap<*const Parent, u64>,
    bytes: u64,
}

impl Recount {
    /// A lane without its disk.
    pub fn lane(&mut self, lane: &IopubLane) {
        lane.zones().into_iter().for_each(|zone| self.zone(zone));
        if let Some(open) = &lane.open {
            self.item(&Item::Message(open.entry().clone()));
            self.bytes += open.added_len();
        }
        self.parents(lane.gap_index.text.keys().chain(lane.gap_index.displays.keys()));
    }

    pub fn zone(&mut self, zone: &Zone) {
        zone.iter().for_each(|slot| self.item(&slot.item));
    }

    pub fn item(&mut self, item: &Item) {
        self.bytes += Sums::of_item(item).bytes;
        self.parents(match item {
            Item::Message(entry) => entry.parent.as_ref(),
            Item::Gap(gap) => Some(&gap.parent),
            Item::Hole => None,
        });
    }

    pub fn parents<'a>(&mut self, parents: impl IntoIterator<Item = &'a Arc<Parent>>) {
        let weights = parents.into_iter().map(|parent| (Arc::as_ptr(parent), parent.weight()));
        self.parents.extend(weights);
    }

    pub fn total(&self) -> u64 {
        self.bytes + self.parents.values().sum::<u64>()
    }
}

/// The memory of a lane, counted anew, without its disk: it must equal `sums` and `parents`.
pub fn counted_anew(lane: &IopubLane) -> u64 {
    let mut count = Recount::default();
    count.lane(lane);
    count.total()
}

/// Counts the memory of all messages and parents of an outbox anew, each parent once.
pub fn assert_counted(outbox: &Outbox) {
    let mut count = Recount::default();
    let lane = &outbox.iopub;
    count.lane(lane);
    count.zone(&outbox.replies);
    lane.disk.in_memory().for_each(|slot| count.item(&slot.item));
    let sent = outbox.sent.entries();
    sent.for_each(|entry| count.item(&Item::Message(entry.clone())));
    count.parents(lane.disk.parents());
    count.parents(outbox.ended.iter().filter_map(Ended::parent));
    assert_eq!(outbox.memory(), count.total());
}

/// The bytes of all buffers that a lane keeps in memory, each once.
pub fn kept_alive(lane: &IopubLane) -> u64 {
    let entries = lane.slots_from(0).filter_map(|slot| match &slot.item {
        Item::Message(entry) => Some(entry),
        Item::Gap(_) | Item::Hole => None,
    });
    let entries = entries.chain(lane.open.as_ref().map(OpenMessage::entry));
    let sources = entries.map(|entry| (Arc::as_ptr(entry.frame.source()), wide(entry.frame.source().len())));
    sources.collect::<HashMap<_, _>>().values().sum()
}

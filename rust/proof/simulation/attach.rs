//! A session takes an execution over: the journal's log of it goes to its IOPub lane, as messages with new ids.

use super::kernel::Kernel;
use super::message::{Kind, Message};
use super::session::Session;
use crate::executions::replay::{Voice, replay};
use crate::flow::entry;
use crate::flow::transcode;
use crate::reader::wide;

/// What the model must know of a replayed message, beside its `Message`.
#[derive(Clone, Debug)]
pub struct Replayed {
    pub content: Vec<u8>,
    /// How many messages and bytes count as left out if it is dropped.
    pub messages: u64,
    pub text: u64,
}

/// Appends the replay of the execution of `cell`; its messages are numbered after `last`. Returns how many they are.
pub fn attach(session: &mut Session, kernel: &mut Kernel, cell: u64, last: u64) -> u64 {
    let ids = format!("r{}", last + 1);
    let voice = Voice {
        session: "process",
        ids: &ids,
        date: "2026-01-01T00:00:00Z",
        notice: "{messages} messages, {bytes} bytes",
    };
    let made = kernel.with(cell, |execution| {
        execution.log.end();
        let made = replay(execution, voice);
        (made.messages, made.id, made.parent)
    });
    let Some((messages, id, parent)) = made else { return 0 };
    for (number, entry) in (last + 1..).zip(&messages) {
        let content = transcode::decode(entry).unwrap().parts[3].to_vec();
        let replayed = Replayed {
            content,
            messages: entry.messages,
            text: entry.text,
        };
        let kind = match entry.kind {
            entry::Kind::Stream => Kind::Stream,
            entry::Kind::Display => Kind::Display,
            _ => Kind::Error,
        };
        let (filler, ended) = (0, false);
        session.model.replay(
            Message {
                number,
                kind,
                cell,
                filler,
                ended,
            },
            replayed,
        );
    }
    let count = wide(messages.len());
    session.outbox.append_replay(messages, &id, &parent);
    if !session.attached {
        session.check_text();
    }
    count
}

//! Merging of any contents, in both subprotocols.
//!
//! What is sent is parsed: the texts that one cell prints on one stream are exactly concatenated, of the updates of one display
//! the last one is kept, everything else is as it was, and all is in order. No two halves of a character or of a surrogate pair
//! come together.

use serde_json::{Map, Value};

use super::random::Random;
use crate::client_wire::Protocol;
use crate::flow::config::Config;
use crate::flow::leave::Taken;
use crate::flow::merge::text_range;
use crate::flow::outbox::Outbox;
use crate::flow::testing::{Line, MERGING, append, assert_balanced, decode};
use crate::json::{self, ValueKind};
use crate::reader::wide;

/// A content that went in or came out.
#[derive(Clone, Debug, PartialEq)]
enum Shown {
    /// The parent, the name of the stream, and the text as it was written, of a content that has nothing else.
    Text(String, String, Vec<u8>),
    /// The parent, the id of the display, and the content.
    Update(String, Vec<u8>, Vec<u8>),
    Other(Vec<u8>),
}

/// The body.
pub fn run(data: &[u8]) {
    let mut random = Random::of(data);
    let lines: Vec<(&str, &str, String)> = (0..24)
        .map_while(|_| (!random.is_empty()).then(|| line(&mut random)))
        .collect();
    let lines: Vec<Line<'_>> = lines.iter().map(|line| (line.0, line.1, &line.2[..])).collect();
    for protocol in [Protocol::V1, Protocol::Legacy] {
        // The decoder of legacy messages takes no other contents
        let carried =
            |line: &&Line<'_>| protocol == Protocol::V1 || json::check(line.2.as_bytes()) == Ok(ValueKind::Object);
        let lines: Vec<Line<'_>> = lines.iter().filter(carried).copied().collect();
        let sent = sent(protocol, &lines);
        let appended: Vec<Shown> = lines
            .iter()
            .map(|line| shown(line.0, line.1, line.2.as_bytes()))
            .collect();
        let texts = appended.iter().filter(|shown| matches!(shown, Shown::Text(..)));
        meets_no_half(&texts.collect::<Vec<_>>(), &sent);
        assert_eq!(joined(sent), joined(appended));
    }
}

fn line(random: &mut Random<'_>) -> (&'static str, &'static str, String) {
    let parent = *random.choose(&["p", "p", "p", "q"]);
    let len = random.size(40);
    let raw = String::from_utf8_lossy(&random.take(len)).into_owned();
    let name = *random.choose(&["stdout", "stdout", "stderr"]);
    match random.below(8) {
        // Any text, also one that is not JSON
        0..4 => ("stream", parent, format!(r#"{{"name":"{name}","text":"{raw}"}}"#)),
        4 => ("stream", parent, format!(r#"{{ "text" : "{raw}", "name": "{name}" }}"#)),
        5 => ("stream", parent, raw),
        6 => {
            let content = format!(r#"{{"data":"{raw}","transient":{{"display_id":"{name}"}}}}"#);
            ("update_display_data", parent, content)
        }
        _ => ("display_data", parent, raw),
    }
}

/// Appends all lines, then connects a client. Returns what it gets.
fn sent(protocol: Protocol, lines: &[Line<'_>]) -> Vec<Shown> {
    let mut outbox = Outbox::new(protocol, MERGING);
    outbox.detach(false);
    append(&mut outbox, lines, 0.0);
    assert_balanced(&outbox);
    outbox.attach(protocol);
    outbox.configure(Config::UNLIMITED);
    let mut out = Vec::new();
    while let Taken::Frames(frames) = outbox.take_messages(0.0, u64::MAX) {
        out.extend(frames.pieces.iter().map(|frame| {
            let message = decode(frame);
            let string = |part: usize, name: &str| {
                let part: Map<String, Value> = serde_json::from_slice(&message.parts[part]).unwrap();
                part[name].as_str().unwrap().to_owned()
            };
            shown(&string(0, "msg_type"), &string(1, "msg_id"), &message.parts[3])
        }));
        outbox.acknowledge_all();
    }
    let stats = outbox.stats();
    assert_eq!(stats.merged, wide(lines.len() - out.len()));
    assert_eq!((stats.waiting, stats.memory), (0, 0));
    out
}

fn shown(msg_type: &str, parent: &str, content: &[u8]) -> Shown {
    let parent = parent.to_owned();
    // The decoder of legacy messages returns a value without the space around it
    let content = content.trim_ascii();
    let member = |object: &[u8], name: &[u8]| json::member(object, name).map(<[u8]>::to_vec);
    match msg_type {
        "stream" => {
            let name = member(content, b"name").filter(|name| name.starts_with(b"\""));
            match (text_range(content), name) {
                (Some(range), Some(name)) => {
                    let name = String::from_utf8(name).unwrap();
                    Shown::Text(parent, name, content[range].to_vec())
                }
                _ => Shown::Other(content.to_vec()),
            }
        }
        "update_display_data" => {
            let transient = member(content, b"transient");
            let id = transient.and_then(|transient| member(&transient, b"display_id"));
            id.map_or_else(
                || Shown::Other(content.to_vec()),
                |id| Shown::Update(parent, id, content.to_vec()),
            )
        }
        _ => Shown::Other(content.to_vec()),
    }
}

/// Merges all neighbours that may be merged, so that lists are equal whichever of them the outbox has merged.
fn joined(all: Vec<Shown>) -> Vec<Shown> {
    let mut out: Vec<Shown> = Vec::new();
    for shown in all {
        match (out.last_mut(), shown) {
            (Some(Shown::Text(parent, name, text)), Shown::Text(other, of, more))
                if *parent == other && *name == of =>
            {
                text.extend(more);
            }
            (Some(Shown::Update(parent, id, content)), Shown::Update(other, of, new))
                if *parent == other && *id == of =>
            {
                *content = new;
            }
            (_, shown) => out.push(shown),
        }
    }
    out
}

/// Checks each place where texts were joined: the end of one and the beginning of the next must not form a surrogate pair.
fn meets_no_half(appended: &[&Shown], sent: &[Shown]) {
    let mut appended = appended.iter().map(|shown| match shown {
        Shown::Text(_, _, text) => &text[..],
        _ => panic!("texts only"),
    });
    for shown in sent {
        let Shown::Text(_, _, whole) = shown else { continue };
        let mut at = 0;
        while at < whole.len() {
            let Some(text) = appended.next() else {
                panic!("more text than there was")
            };
            let (before, after) = (&whole[..at], &whole[at..]);
            assert!(after.starts_with(text), "the text is not what was appended");
            let (high, low) = (last_escape(before), first_escape(after));
            let is_pair = high.is_some_and(|unit| (0xd800..0xdc00).contains(&unit))
                && low.is_some_and(|unit| (0xdc00..0xe000).contains(&unit));
            assert!(
                !is_pair || text.is_empty(),
                "two halves of a surrogate pair were joined"
            );
            at += text.len();
        }
    }
}

fn last_escape(text: &[u8]) -> Option<u32> {
    let escape = text.last_chunk::<6>()?;
    // An escaped backslash before it makes it text
    let backslashes = text[..text.len() - 6]
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count();
    (backslashes % 2 == 0).then(|| unit(*escape)).flatten()
}

fn first_escape(text: &[u8]) -> Option<u32> {
    unit(*text.first_chunk()?)
}

fn unit(escape: [u8; 6]) -> Option<u32> {
    let hex = std::str::from_utf8(escape.strip_prefix(b"\\u")?).ok()?;
    u32::from_str_radix(hex, 16).ok()
}

//! The client's end of the wire, and the JSON scanner, on any bytes.
//!
//! What is accepted must be read as another reader reads it, and be the same after it was encoded again. The other reader of
//! JSON is serde_json. It differs in these: it refuses `NaN` and `Infinity`, and bytes that are not UTF-8; its nesting has
//! another limit; it refuses lone surrogates where it decodes a string.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::random::Random;
use crate::client_wire::channel::channel_of;
use crate::client_wire::gather::Gather;
use crate::client_wire::{ClientMessage, Protocol, legacy, v1};
use crate::error::Malformed;
use crate::json::{self, Fault};

/// The body.
pub fn run(data: &[u8]) {
    let mut random = Random::of(data);
    match random.below(5) {
        0 => agrees_with_serde_json(&random.rest()),
        1 => decodes_v1(&Bytes::from(random.rest())),
        2 => decodes_text(&Bytes::from(random.rest())),
        3 => decodes_binary(&Bytes::from(random.rest())),
        _ => encodes(&mut random),
    }
}

/// Whether serde_json knows the grammar of this text.
fn is_known_to_serde(text: &str) -> bool {
    !text.contains("NaN") && !text.contains("Infinity")
}

fn agrees_with_serde_json(bytes: &[u8]) {
    let ours = json::check(bytes);
    let _decoded = (json::decode_string(bytes), json::is_empty(bytes));
    let lossy = json::lossy(bytes);
    assert_eq!(lossy, String::from_utf8_lossy(bytes).as_bytes());
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if !is_known_to_serde(text) || ours == Err(Fault::TooDeep) {
        return;
    }
    let theirs = serde_json::from_str::<&RawValue>(text);
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?}, {theirs:?}");
    // Keys with lone surrogates are refused here, because they are decoded
    let Ok(expected) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else {
        return;
    };
    let mut found = BTreeMap::new();
    let read = json::members(bytes, |key, value| _ = found.insert(key.to_vec(), value));
    assert_eq!(read, Ok(()));
    assert_eq!(found.len(), expected.len());
    for (key, value) in &expected {
        assert_eq!(found[key.as_bytes()], value.get().as_bytes());
        assert_eq!(json::member(bytes, key.as_bytes()), Some(value.get().as_bytes()));
        if let Ok(Value::String(text)) = serde_json::from_str(value.get()) {
            assert_eq!(json::decode_string(value.get().as_bytes()).unwrap(), text);
        }
    }
}

/// Checks that the first four parts are objects or null, and that the message's type is that of its header.
fn is_checked(message: &ClientMessage) {
    for part in &message.parts[..4] {
        let kind = json::check(part).unwrap();
        assert!(kind == json::ValueKind::Object || part == "null");
    }
    let msg_type = json::member(&message.parts[0], b"msg_type").unwrap();
    assert_eq!(json::decode_string(msg_type).unwrap(), message.msg_type);
}

fn encoded_v1(channel: &str, parts: &[Bytes]) -> Bytes {
    let mut gather = Gather::default();
    v1::encode(channel, parts, &mut gather);
    assert_eq!(gather.len(), v1::encoded_len(channel, parts));
    gather.into_vec().into()
}

fn decodes_v1(frame: &Bytes) {
    let _named = channel_of(frame, Protocol::V1, false);
    let checked = v1::decode(frame, true, 64);
    let Ok(message) = v1::decode(frame, false, 64) else {
        assert!(checked.is_err());
        return;
    };
    let channel = message.channel.unwrap();
    assert_eq!(
        encoded_v1(&channel, &message.parts),
        frame,
        "there is one way to write a message"
    );
    if let Ok(checked) = checked {
        is_checked(&checked);
        assert_eq!(checked.parts.len(), message.parts.len());
        for (part, was) in checked.parts.iter().zip(&message.parts) {
            assert!(part == was || part == "{}" && (was.trim_ascii() == b"null" || json::is_empty(was)));
        }
    }
}

/// The members of a legacy message, as serde_json reads them. None: serde_json cannot read it.
fn read_by_serde(text: &[u8]) -> Option<BTreeMap<String, &RawValue>> {
    std::str::from_utf8(text).ok().filter(|text| is_known_to_serde(text))?;
    serde_json::from_slice(text).ok()
}

fn is_what_serde_reads(message: &ClientMessage, text: &[u8]) {
    let Some(members) = read_by_serde(text) else { return };
    for (name, part) in ["header", "parent_header", "metadata", "content"]
        .iter()
        .zip(&message.parts)
    {
        let raw = members.get(*name).map_or("{}", |value| value.get());
        let packed = serde_json::from_str(raw).ok().filter(|_| *name == "content");
        let raw = packed.unwrap_or_else(|| raw.to_owned());
        assert!(part == &raw || part == "{}" && (raw.trim() == "null" || json::is_empty(raw.as_bytes())));
    }
    if let Some(Ok(channel)) = members
        .get("channel")
        .map(|raw| serde_json::from_str::<Option<String>>(raw.get()))
    {
        assert_eq!(message.channel, channel);
    }
}

/// Encoded for a client and decoded, it is the same.
fn comes_back(message: &ClientMessage) {
    is_checked(message);
    let encoder = match legacy::Encoder::new(message.channel.as_deref(), &message.parts) {
        // A client's message needs no msg_id
        Err(fault) => return assert_eq!(fault, Malformed::NoMember("msg_id")),
        Ok(encoder) => encoder,
    };
    let (len, mut gather) = (encoder.len(), Gather::default());
    encoder.put(&mut gather);
    assert_eq!(gather.len(), len);
    let frame = Bytes::from(gather.into_vec());
    let again = match message.parts.len() {
        4 => legacy::decode_text(&frame),
        _ => legacy::decode_binary(&frame, u64::MAX),
    };
    let again = again.unwrap();
    assert_eq!(again.channel, message.channel);
    assert_eq!(again.parts[4..], message.parts[4..]);
    for (part, was) in again.parts.iter().zip(&message.parts) {
        assert_eq!(part[..], json::lossy(was)[..]);
    }
}

fn decodes_text(frame: &Bytes) {
    let _named = (channel_of(frame, Protocol::Legacy, true), legacy::channel_in(frame));
    if let Ok(message) = legacy::decode_text(frame) {
        is_what_serde_reads(&message, frame);
        comes_back(&message);
    }
}

fn decodes_binary(frame: &Bytes) {
    let _named = channel_of(frame, Protocol::Legacy, false);
    let Ok(message) = legacy::decode_binary(frame, 64) else {
        return;
    };
    let number = |at: usize| usize::try_from(u32::from_be_bytes(frame[at..at + 4].try_into().unwrap())).unwrap();
    let (count, start) = (number(0), number(4));
    assert_eq!((message.parts.len(), start), (3 + count, 4 + 4 * count));
    let end = if count > 1 { number(8) } else { frame.len() };
    is_what_serde_reads(&message, &frame[start..end]);
    if count > 1 {
        assert_eq!(message.parts[4..].concat(), frame[end..]);
        comes_back(&message);
    }
}

/// Parts that were never decoded, such as those of a kernel.
fn encodes(random: &mut Random<'_>) {
    let parts: Vec<Bytes> = (0..4 + random.size(3))
        .map(|_| {
            let len = random.size(64);
            Bytes::from(random.take(len))
        })
        .collect();
    let message = v1::decode(&encoded_v1("iopub", &parts), false, 64).unwrap();
    assert_eq!((message.channel.as_deref(), &message.parts), (Some("iopub"), &parts));
    if let Ok(encoder) = legacy::Encoder::new(Some("iopub"), &parts) {
        let (len, mut gather) = (encoder.len(), Gather::default());
        encoder.put(&mut gather);
        assert_eq!(gather.len(), len);
        let all_are_json = parts[..4].iter().all(|part| json::check(part).is_ok());
        assert!(all_are_json, "a legacy message is JSON");
    }
}

//! Splits, verifies and reads any frames, as if a kernel had sent them.
//!
//! A message is accepted if and only if another reading of the same frames finds the delimiter, four parts, a signature that is
//! the HMAC of these parts and was not there before, and a header with a type. The HMAC is computed here with the crate, the
//! header is read by serde_json.

use std::collections::HashSet;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;

use super::random::Random;
use crate::batch::Message;
use crate::client_wire::Protocol;
use crate::kernel_wire::frames::{Frames, FramesBuilder};
use crate::kernel_wire::header::Text;
use crate::kernel_wire::multipart::{self, DELIMITER};
use crate::kernel_wire::signature::Signer;
use crate::receiver::Receiver;

const KEY: &[u8] = b"key";

/// The body.
pub fn run(data: &[u8]) {
    let mut random = Random::of(data);
    let (has_key, verify, json) = (!random.one_in(4), !random.one_in(8), !random.one_in(4));
    let messages: Vec<Vec<Bytes>> = (0..=random.below(3)).map(|_| message(&mut random)).collect();
    let signer = Signer::new(if has_key { KEY } else { b"" }, "hmac-sha256").unwrap();
    let mut receiver = Receiver::new(signer.clone(), 16, verify, json);
    let batch = receiver.process("iopub", frames(&messages));
    let mut known = HashSet::new();
    let good: Vec<&Vec<Bytes>> = messages
        .iter()
        .filter(|message| is_good(message, has_key && verify, json, &mut known))
        .collect();
    assert_eq!(batch.messages().len(), good.len(), "{:?}", batch.malformed());
    assert_eq!(batch.messages().len() + batch.malformed().len(), messages.len());
    for (message, sent) in batch.messages().iter().zip(good) {
        let at = sent.iter().position(|frame| frame == DELIMITER).unwrap();
        assert_eq!(batch.frames(message), sent);
        assert_eq!(batch.parts(message), &sent[at + 2..]);
        if json {
            reads_fields(message, batch.parts(message));
        }
        let joined = multipart::join(&signer, batch.parts(message));
        assert_eq!(joined[2..], sent[at + 2..]);
        assert_eq!(
            joined[1],
            hex(batch.parts(message)).filter(|_| has_key).unwrap_or_default()
        );
    }
    for protocol in [Protocol::V1, Protocol::Legacy] {
        let wire = batch.wire(protocol);
        assert_eq!(wire.ends.len(), batch.messages().len());
        assert_eq!(wire.ends.last().copied().unwrap_or(0), wire.gather.len());
    }
}

/// Frames of one message. Most have a delimiter and a signature that is right, so that the fuzzer need not guess it.
fn message(random: &mut Random<'_>) -> Vec<Bytes> {
    let shape = random.below(16);
    let parts: Vec<Bytes> = (0..random.size(7))
        .map(|_| {
            let len = random.size(96);
            Bytes::from(random.take(len))
        })
        .collect();
    if shape == 0 {
        return parts;
    }
    let mut signature = hex(&parts).unwrap_or_default();
    match shape {
        1 => signature.clear(),
        2 => signature.truncate(random.size(65)),
        3 => signature.make_ascii_uppercase(),
        4 => {
            let at = random.size(signature.len().max(1));
            if let Some(byte) = signature.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        _ => {}
    }
    let identities = (shape == 5).then(|| Bytes::from_static(b"identity"));
    let head = [Bytes::from_static(DELIMITER), Bytes::from(signature)];
    identities.into_iter().chain(head).chain(parts).collect()
}

fn frames(messages: &[Vec<Bytes>]) -> Frames {
    let mut builder = FramesBuilder::default();
    for message in messages {
        for (index, frame) in message.iter().enumerate() {
            if index % 2 == 0 {
                builder.copy(frame);
            } else {
                builder.keep(frame.clone());
            }
        }
        builder.end_message();
    }
    builder.finish()
}

/// The signature of the first four parts. None: there are fewer.
fn hex(parts: &[Bytes]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    parts.get(..4)?.iter().for_each(|part| mac.update(part));
    let digest = mac.finalize().into_bytes();
    Some(
        digest
            .iter()
            .flat_map(|byte| format!("{byte:02x}").into_bytes())
            .collect(),
    )
}

fn is_good(message: &[Bytes], signed: bool, json: bool, known: &mut HashSet<Vec<u8>>) -> bool {
    let Some(at) = message.iter().position(|frame| frame == DELIMITER) else {
        return false;
    };
    let Some(parts) = message.get(at + 2..).filter(|parts| parts.len() >= 4) else {
        return false;
    };
    if signed {
        let signature = hex(parts).unwrap();
        if message[at + 1] != signature || !known.insert(signature) {
            return false;
        }
    }
    !json || has_type(&parts[0])
}

/// Whether a header is an object whose `msg_type` is a string.
fn has_type(header: &[u8]) -> bool {
    match serde_json::from_slice::<Map<String, Value>>(header) {
        Ok(header) => header.get("msg_type").is_some_and(Value::is_string),
        // serde_json cannot read it, but Python can: `NaN`, lone surrogates, bytes that are not UTF-8, long numbers
        Err(_) => crate::json::member(header, b"msg_type")
            .and_then(crate::json::decode_string)
            .is_some(),
    }
}

fn reads_fields(message: &Message, parts: &[Bytes]) {
    let fields = message.fields().unwrap();
    let is = |ours: Option<&str>, object: &Map<String, Value>, name: &str| {
        assert_eq!(ours, object.get(name).and_then(Value::as_str), "{name}");
    };
    if let Ok(header) = serde_json::from_slice(&parts[0]) {
        is(Some(message.msg_type()), &header, "msg_type");
        is(fields.header.msg_id.as_ref().map(Text::as_str), &header, "msg_id");
        is(fields.header.session.as_ref().map(Text::as_str), &header, "session");
    }
    if let Ok(parent) = serde_json::from_slice(&parts[1]) {
        is(fields.parent.msg_type.as_ref().map(Text::as_str), &parent, "msg_type");
        is(fields.parent.msg_id.as_ref().map(Text::as_str), &parent, "msg_id");
        is(fields.parent.session.as_ref().map(Text::as_str), &parent, "session");
    }
    if message.is("status")
        && let Ok(content) = serde_json::from_slice(&parts[3])
    {
        is(
            fields.execution_state.as_ref().map(Text::as_str),
            &content,
            "execution_state",
        );
    }
}

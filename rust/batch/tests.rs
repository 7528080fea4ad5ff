//! Batches from a receiver without a key, and what clients get from them.

use super::*;
use crate::kernel_wire::frames::{FramesBuilder, KEEP_FROM};
use crate::kernel_wire::signature::Signer;
use crate::receiver::Receiver;

const DATED: &str = r#""msg_id":"i","date":"2026-01-01T00:00:00Z","version":"5.4""#;

/// The header of a message that need not be adapted for legacy clients.
fn header(msg_type: &str) -> String {
    format!(r#"{{"msg_type":"{msg_type}",{DATED}}}"#)
}

/// A batch of unsigned messages, each an identity and its parts.
fn batch_of(messages: &[&[&str]], json: bool) -> Batch {
    let mut frames = FramesBuilder::default();
    for parts in messages {
        for frame in ["identity", "<IDS|MSG>", ""].iter().chain(*parts) {
            frames.copy(frame.as_bytes());
        }
        frames.end_message();
    }
    let signer = Signer::new(b"", "hmac-sha256").unwrap();
    let batch = Receiver::new(signer, 0, true, json).process("iopub", frames.finish());
    assert_eq!(batch.malformed(), []);
    batch
}

fn batch(messages: &[&[&str]]) -> Batch {
    batch_of(messages, true)
}

fn parts(texts: &[&str]) -> Vec<Bytes> {
    texts
        .iter()
        .map(|text| Bytes::copy_from_slice(text.as_bytes()))
        .collect()
}

fn written(wire: &Wire<'_>) -> Vec<u8> {
    let mut out = vec![0; wire.gather.len()];
    wire.gather.write(&mut out);
    out
}

#[test]
fn frames_are_as_received_and_parts_are_what_follows_the_signature() {
    let texts = [&*header("a"), "{}", "{}", "{}", "buffer"];
    let batch = batch(&[&texts]);
    let message = &batch.messages()[0];
    assert_eq!(batch.parts(message), parts(&texts));
    assert_eq!(
        batch.frames(message),
        [&parts(&["identity", "<IDS|MSG>", ""])[..], &parts(&texts)].concat()
    );
}

#[test]
fn the_wire_is_the_payloads_behind_their_heads() {
    let large = "x".repeat(KEEP_FROM);
    let (a, b) = (header("a"), header("b"));
    let batch = batch(&[
        &[&a, "{}", "{}", "{}"],
        &[&b, "{}", "{}", "{}", &large, "", "c"],
        &[&a, "{}", "{}", "[1]"],
    ]);
    for protocol in [Protocol::V1, Protocol::Legacy] {
        let wire = batch.wire(protocol);
        let bytes = written(&wire);
        assert_eq!(wire.refused, []);
        let mut start = 0;
        for (message, end) in batch.messages().iter().zip(&wire.ends) {
            let parts = batch.parts(message);
            let mut payload = Gather::default();
            let opcode = match protocol {
                Protocol::V1 => {
                    v1::encode("iopub", parts, &mut payload);
                    Opcode::Binary
                }
                Protocol::Legacy => {
                    let shown = legacy::Encoder::new(Some("iopub"), parts).unwrap();
                    let opcode = shown.opcode();
                    shown.put(&mut payload);
                    opcode
                }
            };
            let mut head = Gather::default();
            put_head(&mut head, opcode, payload.len());
            assert_eq!(bytes[start..*end], [head.into_vec(), payload.into_vec()].concat());
            start = *end;
        }
        assert_eq!(start, bytes.len());
    }
}

#[test]
fn a_message_that_is_not_json_is_refused_by_the_legacy_wire_only() {
    let (a, b) = (header("a"), header("b"));
    let batch = batch(&[&[&a, "{}", "{}", "{}"], &[&b, "{}", "{", "{}"], &[&b, "{}", "{}", "{}"]]);
    let wire = batch.wire(Protocol::Legacy);
    assert_eq!(
        wire.refused,
        [Malformed::NotJson {
            part: "metadata",
            at: 1
        }]
    );
    assert_eq!(wire.ends[0], wire.ends[1]);
    assert!(wire.ends[1] < wire.ends[2]);
    assert_eq!(wire.ends[2], written(&wire).len());
    assert!(legacy::Encoder::new(None, batch.parts(&batch.messages()[1])).is_err());
    let wire = batch.wire(Protocol::V1);
    assert_eq!(wire.refused, []);
    assert!(wire.ends[0] < wire.ends[1]);
}

#[test]
fn the_estimate_of_small_bytes_holds_for_ordinary_messages() {
    let header = header("stream");
    let parent = format!("{{\"session\":\"s\",{DATED}}}");
    let text = [&*header, &parent, "{}", "{\"name\":\"stdout\",\"text\":\"a\"}"];
    let batch = batch(&[&text[..]; 50]);
    for protocol in [Protocol::V1, Protocol::Legacy] {
        assert!(batch.wire(protocol).gather.len() <= batch.small_bytes(batch.messages()));
    }
}

#[test]
fn rewritten_parts_reach_all_clients_or_legacy_clients_only() {
    let a = header("a");
    let original = parts(&[&a, "{}", "{}", "{}"]);
    let redacted = parts(&[&a, "{}", "{}", "{\"redacted\":true}"]);
    let adapted = parts(&[&a, "{}", "{}", "{\"adapted\":true}"]);
    let shown = |batch: &Batch, protocol| String::from_utf8_lossy(&written(&batch.wire(protocol))).into_owned();
    let mut batch = batch(&[&[&a, "{}", "{}", "{}"]]);
    assert_eq!(batch.rewrite(0, adapted, true), Ok(true));
    assert_eq!(batch.parts(&batch.messages()[0]), original);
    assert!(shown(&batch, Protocol::Legacy).contains("adapted"));
    assert!(!shown(&batch, Protocol::V1).contains("adapted"));
    assert_eq!(batch.rewrite(0, redacted.clone(), false), Ok(true));
    assert_eq!(batch.parts(&batch.messages()[0]), redacted);
    assert!(shown(&batch, Protocol::V1).contains("redacted"));
    assert!(
        batch.frames(&batch.messages()[0]).ends_with(&original),
        "frames stay as received"
    );
}

#[test]
fn a_malformed_rewrite_changes_nothing() {
    let a = header("a");
    let mut batch = batch(&[&[&a, "{}", "{}", "{}"]]);
    assert_eq!(
        batch.rewrite(0, parts(&["{}"; 3]), false),
        Err(Malformed::MissingParts(3))
    );
    assert_eq!(batch.rewrite(1, parts(&["{}"; 4]), false), Ok(false));
    assert_eq!(batch.parts(&batch.messages()[0]), parts(&[&a, "{}", "{}", "{}"]));
}

#[test]
fn a_header_that_was_never_read_is_read_from_the_rewritten_parts() {
    let mut batch = batch_of(&[&["\u{1}", "", "", ""], &["\u{1}", "", "", ""]], false);
    assert_eq!((batch.unusual(), batch.activity()), (vec![0, 1], vec![]));
    assert_eq!((batch.messages()[0].msg_type(), batch.kernel_session()), ("", None));
    let header = format!(r#"{{"msg_type":"status","session":"s",{DATED}}}"#);
    let json = parts(&[&header, "{\"msg_type\":\"p\"}", "{}", "{\"execution_state\":\"idle\"}"]);
    assert!(batch.rewrite(0, parts(&["\u{1}"; 4]), true).is_err(), "not JSON");
    assert_eq!(batch.rewrite(0, json, true), Ok(true));
    assert_eq!(batch.activity(), [("status", Some("p"), Some("idle"))]);
    assert_eq!((batch.unusual(), batch.kernel_session()), (vec![1], Some("s")));
    assert_eq!(
        batch.parts(&batch.messages()[0]),
        parts(&["\u{1}", "", "", ""]),
        "v1 clients get the bytes"
    );
}

#[test]
fn unusual_messages_are_those_that_the_session_must_adapt() {
    let naive = r#"{"date":"2026-01-01T00:00:00"}"#;
    let a = header("a");
    let messages: [&[&str]; 5] = [
        &[&a, "{}", "{}", "{\"date\":\"2026-01-01T00:00:00\"}"],
        &[r#"{"msg_type":"a","msg_id":"i","version":"5.4"}"#, "{}", "{}", "{}"],
        &[
            r#"{"msg_type":"a","msg_id":"i","date":"2026-01-01T00:00:00Z","version":"4.1"}"#,
            "{}",
            "{}",
            "{}",
        ],
        &[&a, naive, "{}", "{}"],
        &[&a, "null", "{}", "{}"],
    ];
    let mut batch = batch(&messages);
    assert_eq!(batch.unusual(), [1, 2]);
    assert_eq!(batch.rewrite(2, parts(&[&a, "{}", "{}", "{}"]), true), Ok(true));
    assert_eq!(batch.unusual(), [1], "the Session has adapted one");
}

#[test]
fn activity_collapses_equal_neighbours_only() {
    let (stream, status) = (header("stream"), header("status"));
    let busy = [&*status, "{\"msg_type\":\"p\"}", "{}", "{\"execution_state\":\"busy\"}"];
    let text = [&*stream, "{\"msg_type\":\"p\"}", "{}", "{\"execution_state\":\"x\"}"];
    let other = [&*stream, "{}", "{}", "{}"];
    let batch = batch(&[&busy, &text, &text, &other, &text]);
    let text = ("stream", Some("p"), None);
    let expected = [("status", Some("p"), Some("busy")), text, ("stream", None, None), text];
    assert_eq!(batch.activity(), expected);
}

#[test]
fn discarding_drops_children_of_a_session_and_messages_of_a_type() {
    let (a, b) = (header("a"), header("b"));
    let ours = "{\"session\":\"probe\"}";
    let messages: [&[&str]; 4] = [
        &[&a, ours, "{}", "{}"],
        &[&a, "{}", "{}", "{}"],
        &[&b, "{}", "{}", "{}"],
        &[&b, ours, "{}", "{}"],
    ];
    let types = |batch: &Batch| {
        batch
            .messages()
            .iter()
            .map(|message| message.msg_type().to_owned())
            .collect::<Vec<_>>()
    };
    let mut one = batch(&messages);
    assert_eq!(
        (one.discard("probe", None), types(&one)),
        (2, vec!["a".into(), "b".into()])
    );
    assert_eq!(one.wire(Protocol::V1).ends.len(), 2);
    let mut both = batch(&messages);
    assert_eq!((both.discard("probe", Some("b")), types(&both)), (3, vec!["a".into()]));
    assert_eq!(both.discard("nobody", Some("c")), 0);
}

#[test]
fn the_kernels_session_is_that_of_the_last_message_that_has_one() {
    let with = |session: &str| format!(r#"{{"msg_type":"a","session":{session}}}"#);
    let (one, two, none) = (with("\"1\""), with("\"2\""), with("null"));
    let messages: [&[&str]; 3] = [
        &[&one, "{}", "{}", "{}"],
        &[&two, "{}", "{}", "{}"],
        &[&none, "{}", "{}", "{}"],
    ];
    assert_eq!(batch(&messages).kernel_session(), Some("2"));
    assert_eq!(batch(&messages[2..]).kernel_session(), None);
}

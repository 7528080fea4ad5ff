//! Signed and damaged messages: which are accepted, and which digests the replay window keeps.

use bytes::Bytes;

use super::*;
use crate::kernel_wire::frames::FramesBuilder;
use crate::kernel_wire::header::ParentHeader;

const SCHEME: &str = "hmac-sha256";

fn signer() -> Signer {
    Signer::new(b"key", SCHEME).unwrap()
}

/// A signed message whose `msg_id` is `id`.
fn message(id: &str) -> Vec<Bytes> {
    let header = format!(r#"{{"msg_id":"{id}","msg_type":"stream","session":"kernel"}}"#);
    let parts = [header.as_str(), "{}", "{}", "{}"].map(|part| Bytes::from(part.to_owned()));
    multipart::join(&signer(), &parts)
}

fn process(receiver: &mut Receiver, messages: &[Vec<Bytes>]) -> Batch {
    let mut frames = FramesBuilder::default();
    for message in messages {
        for frame in message {
            frames.copy(frame);
        }
        frames.end_message();
    }
    receiver.process("iopub", frames.finish())
}

fn ids(batch: &Batch) -> Vec<&str> {
    let fields = batch.messages().iter().filter_map(|message| message.fields());
    fields
        .filter_map(|fields| Some(fields.header.msg_id.as_ref()?.as_str()))
        .collect()
}

#[test]
fn a_malformed_message_is_a_fault_and_the_next_one_is_read() {
    let mut unsigned = message("2");
    unsigned[1] = Bytes::new();
    let mut forged = message("3");
    forged[3] = Bytes::from("[]");
    let mut not_json = vec![Bytes::from("not json"); 4];
    not_json = multipart::join(&signer(), &not_json);
    let messages = [
        message("1"),
        unsigned,
        forged,
        message("1"),
        vec![],
        message("4")[..5].to_vec(),
        not_json,
        message("5"),
    ];
    let batch = process(&mut Receiver::new(signer(), 10, true, true), &messages);
    assert_eq!(ids(&batch), ["1", "5"]);
    assert_eq!(
        batch.malformed(),
        [
            Malformed::Unsigned,
            Malformed::BadSignature,
            Malformed::Duplicate,
            Malformed::NoDelimiter,
            Malformed::MissingParts(3),
            Malformed::NotJson { part: "header", at: 0 },
        ]
    );
    assert_eq!(batch.channel(), "iopub");
    assert_eq!(batch.kernel_session(), Some("kernel"));
}

#[test]
fn a_forgery_with_a_real_signature_does_not_make_the_real_message_a_replay() {
    let mut forged = message("1");
    forged[5] = Bytes::from("{\"forged\":true}");
    let batch = process(&mut Receiver::new(signer(), 10, true, true), &[forged, message("1")]);
    assert_eq!(ids(&batch), ["1"]);
    assert_eq!(batch.malformed(), [Malformed::BadSignature]);
}

#[test]
fn the_window_outlives_a_batch_and_forgets_the_oldest() {
    let mut receiver = Receiver::new(signer(), 2, true, true);
    assert_eq!(
        process(&mut receiver, &[message("1"), message("2")]).messages().len(),
        2
    );
    assert_eq!(
        process(&mut receiver, &[message("1"), message("2")]).messages().len(),
        0
    );
    assert_eq!(process(&mut receiver, &[message("3")]).messages().len(), 1);
    assert_eq!(ids(&process(&mut receiver, &[message("2"), message("1")])), ["1"]);
}

#[test]
fn without_verification_or_key_everything_well_formed_passes() {
    let mut unsigned = message("1");
    unsigned[1] = Bytes::new();
    let messages = [unsigned, message("2"), message("2")];
    let keyless = Signer::new(b"", SCHEME).unwrap();
    for mut receiver in [
        Receiver::new(signer(), 10, false, true),
        Receiver::new(keyless, 10, true, true),
    ] {
        assert_eq!(ids(&process(&mut receiver, &messages)), ["1", "2", "2"]);
    }
}

#[test]
fn without_json_no_header_is_read_but_the_signature_is_checked() {
    let packed = multipart::join(&signer(), &["\u{80}", "", "", ""].map(Bytes::from));
    let mut forged = packed.clone();
    forged[4] = Bytes::from("x");
    let batch = process(&mut Receiver::new(signer(), 10, true, false), &[packed, forged]);
    assert_eq!(batch.messages().len(), 1);
    assert_eq!(batch.messages()[0].fields(), None);
    assert_eq!(batch.malformed(), [Malformed::BadSignature]);
}

/// A signed message with this parent_header.
fn child(id: &str, parent: &str) -> Vec<Bytes> {
    let header = format!(r#"{{"msg_id":"{id}","msg_type":"stream"}}"#);
    let parts = [&header, parent, "{}", "{}"].map(|part| Bytes::from(part.to_owned()));
    multipart::join(&signer(), &parts)
}

#[test]
fn equal_parent_headers_in_a_row_are_read_once_and_each_message_has_its_own_parent() {
    let of = |id: &str| format!(r#"{{"msg_id":"{id}","msg_type":"execute_request","session":"s{id}"}}"#);
    let mut forged = child("5", &of("b"));
    forged[3] = Bytes::from("[]");
    let parents = [&of("a"), &of("a"), &of("b"), "{}", "[1", &of("b"), &of("b"), &of("c")];
    let mut messages: Vec<_> = (0..)
        .zip(parents)
        .map(|(n, parent)| child(&format!("{n}"), parent))
        .collect();
    messages.insert(6, forged);
    let batch = process(&mut Receiver::new(signer(), 10, true, true), &messages);
    let read: Vec<_> = batch.messages().iter().filter_map(|message| message.fields()).collect();
    assert_eq!((read.len(), batch.malformed().len()), (parents.len(), 1));
    for (fields, parent) in read.iter().zip(parents) {
        assert_eq!(
            fields.parent,
            ParentHeader::read(&Bytes::from(parent.to_owned())),
            "{parent}"
        );
    }
    let places = read
        .iter()
        .map(|fields| fields.parent.msg_id.as_ref().map(|id| id.as_bytes().as_ptr()));
    let places: Vec<_> = places.collect();
    assert!(
        places[0] == places[1] && places[5] == places[6],
        "a forgery between two changes nothing"
    );
    assert_ne!(places[2], places[5], "only the message before is looked at");
}

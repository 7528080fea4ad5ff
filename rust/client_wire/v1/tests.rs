//! Frames complete, cut at every byte, with trailing bytes, and with each number wrong.

use super::*;
use crate::client_wire::MAX_BUFFERS;

const HEADER: &[u8] = br#"{"msg_type":"execute_request"}"#;

fn parts() -> Vec<Bytes> {
    [HEADER, b"{}", b"{ }", b"{\"code\":\"1\"}", b"", b"\xff\x00"]
        .map(Bytes::from_static)
        .to_vec()
}

fn frame(channel: &str, parts: &[Bytes]) -> Vec<u8> {
    let mut gather = Gather::default();
    encode(channel, parts, &mut gather);
    assert_eq!(gather.len(), encoded_len(channel, parts));
    gather.into_vec()
}

fn decoded(frame: &[u8]) -> Result<ClientMessage> {
    decode(&Bytes::copy_from_slice(frame), true, MAX_BUFFERS)
}

/// The frame with its u64 number `index` replaced by `number`.
fn with(frame: &[u8], index: usize, number: u64) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[8 * index..8 * (index + 1)].copy_from_slice(&number.to_le_bytes());
    frame
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let frame = frame("iopub", &[Bytes::from("a"), Bytes::from("bc"), Bytes::new()]);
    let numbers = [5_u64, 48, 53, 54, 56, 56].map(u64::to_le_bytes).concat();
    assert_eq!(frame, [&numbers[..], b"iopubabc"].concat());
}

#[test]
fn encoded_messages_are_decoded() {
    for channel in ["shell", "", "\u{e9}\u{1f600}"] {
        for count in 4..=6 {
            let expected = ClientMessage {
                channel: Some(channel.into()),
                msg_type: "execute_request".into(),
                ambiguous_type: false,
                parts: parts()[..count].to_vec(),
            };
            assert_eq!(decoded(&frame(channel, &expected.parts)), Ok(expected));
        }
    }
}

#[test]
fn parts_are_slices_of_the_frame() {
    let frame = Bytes::from(frame("shell", &parts()));
    let message = decode(&frame, true, MAX_BUFFERS).unwrap();
    assert!(frame.as_ptr_range().contains(&message.parts[5].as_ptr()));
}

#[test]
fn a_frame_cut_at_any_byte_or_continued_is_refused() {
    let frame = frame("shell", &parts());
    for cut in 0..frame.len() {
        assert!(decoded(&frame[..cut]).is_err(), "{cut}");
    }
    for tail in 1..20 {
        let longer = [&frame[..], &vec![0; tail]].concat();
        assert_eq!(decoded(&longer), Err(Malformed::TrailingBytes(tail as u64)));
    }
}

#[test]
fn each_wrong_number_is_a_fault() {
    let frame = frame("shell", &parts());
    let true_value = |index: usize| u64::from_le_bytes(frame[8 * index..8 * (index + 1)].try_into().unwrap());
    for index in 0..=8 {
        let value = true_value(index);
        for bit in 0..64 {
            let lie = with(&frame, index, value ^ (1 << bit));
            // The numbers from 6 on are the bounds of the buffers: another value can give another well-formed message
            assert!(decoded(&lie).is_err() || index >= 6, "number {index}, bit {bit}");
        }
        for lie in [0, 1, u64::MAX, u64::MAX / 2, 1 << 32, value.wrapping_sub(1), value + 1] {
            assert!(
                lie == value || decoded(&with(&frame, index, lie)).is_err() || index >= 6,
                "{index} {lie}"
            );
        }
    }
}

#[test]
fn faults_have_names() {
    let frame = frame("shell", &parts());
    let one_too_many = wide(frame.len()) / 8;
    for (frame, fault) in [
        (with(&frame, 0, one_too_many), Malformed::OffsetCount(one_too_many)),
        (b"".to_vec(), Malformed::ShortFrame { need: 8, have: 0 }),
        (
            b"\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            Malformed::ShortFrame { need: 8, have: 7 },
        ),
        (vec![0xff; 8], Malformed::OffsetCount(u64::MAX)),
        (with(&frame, 0, 1 << 61), Malformed::OffsetCount(1 << 61)),
        (with(&frame, 0, 0), Malformed::MissingParts(0)),
        (with(&frame, 0, 5), Malformed::MissingParts(3)),
        (with(&frame, 1, 0), Malformed::FirstOffset(0)),
        (with(&frame, 2, 71), Malformed::DescendingOffset(71)),
        (
            with(&frame, 8, u64::MAX),
            Malformed::ShortFrame {
                need: u64::MAX - 124,
                have: 2,
            },
        ),
        (
            frame[..frame.len() - 1].to_vec(),
            Malformed::ShortFrame { need: 2, have: 1 },
        ),
    ] {
        assert_eq!(decoded(&frame), Err(fault));
    }
}

#[test]
fn a_channel_is_utf_8() {
    let mut frame = frame("shell", &parts());
    frame[72] = 0xff;
    assert_eq!(decoded(&frame), Err(Malformed::ChannelNotUtf8));
}

#[test]
fn the_four_parts_must_be_json_objects_if_json_is_checked() {
    let names = ["header", "parent_header", "metadata", "content"];
    for (index, part) in names.into_iter().enumerate() {
        for (text, fault) in [
            ("[1]", Malformed::NotObject(part)),
            ("0", Malformed::NotObject(part)),
            ("\"{}\"", Malformed::NotObject(part)),
            ("", Malformed::NotJson { part, at: 0 }),
            ("{}x", Malformed::NotJson { part, at: 2 }),
            (&"[".repeat(100_000), Malformed::TooDeep(part)),
        ] {
            let mut parts = parts();
            parts[index] = Bytes::from(text.to_owned());
            assert_eq!(decoded(&frame("shell", &parts)), Err(fault));
            let unread = decode(&Bytes::from(frame("shell", &parts)), false, MAX_BUFFERS).unwrap();
            assert_eq!((unread.msg_type.as_str(), unread.parts), ("", parts));
        }
    }
    let mut parts = parts();
    parts[0] = Bytes::from("{}");
    assert_eq!(decoded(&frame("shell", &parts)), Err(Malformed::NoMember("msg_type")));
}

#[test]
fn an_empty_value_is_an_empty_object_where_clients_send_one() {
    for (index, text, kept) in [
        (0, "[]", None),
        (0, "null", None),
        (1, "null", Some("null")),
        (1, " [\n] ", Some("{}")),
        (1, "\"\"", Some("{}")),
        (2, "null", Some("{}")),
        (2, "[]", Some("{}")),
        (2, " \"\"", Some("{}")),
        (2, "\" \"", None),
        (3, "null", Some("{}")),
        (3, "[]", None),
        (3, "\"\"", None),
    ] {
        let mut parts = parts();
        parts[index] = Bytes::from(text);
        let message = decoded(&frame("shell", &parts));
        parts[index] = Bytes::from(kept.unwrap_or_default());
        assert_eq!(message.ok().map(|message| message.parts), kept.map(|_| parts), "{text}");
    }
}

#[test]
fn a_frame_may_have_only_empty_parts() {
    let empty = vec![Bytes::new(); 4];
    let frame = Bytes::from(frame("", &empty));
    assert_eq!(frame.len(), 8 * 7);
    assert_eq!(decode(&frame, false, MAX_BUFFERS).unwrap().parts, empty);
}

#[test]
fn ten_thousand_buffers_pass() {
    let mut parts = parts();
    parts.extend(std::iter::repeat_n(Bytes::from("x"), 10_000));
    let frame = Bytes::from(frame("shell", &parts));
    assert_eq!(decode(&frame, true, 20_000).unwrap().parts, parts);
}

#[test]
fn a_message_has_at_most_max_buffers() {
    let with = |buffers: u64| {
        let buffers = std::iter::repeat_n(Bytes::new(), usize::try_from(buffers).unwrap());
        let parts: Vec<Bytes> = parts().into_iter().take(4).chain(buffers).collect();
        frame("shell", &parts)
    };
    let (most, more) = (with(MAX_BUFFERS), with(MAX_BUFFERS + 1));
    assert_eq!(
        decoded(&most).map(|message| wide(message.parts.len())),
        Ok(4 + MAX_BUFFERS)
    );
    let (have, limit) = (MAX_BUFFERS + 1, MAX_BUFFERS);
    assert_eq!(decoded(&more), Err(Malformed::TooManyBuffers { have, limit }));
    assert!(
        decode(&Bytes::from(more), true, u64::MAX).is_ok(),
        "a kernel's message has no limit"
    );
}

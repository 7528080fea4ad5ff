//! Both directions: what a client receives, and what it may send.

use serde_json::{Value, json};

use super::*;
use crate::client_wire::MAX_BUFFERS;

const HEADER_PART: &str = r#"{"msg_id":"i","msg_type":"t","date":"2026-02-03T04:05:06.5Z","a":"\u00e9"}"#;

fn parts(texts: &[&[u8]]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::copy_from_slice(text)).collect()
}

fn usual(content: &[u8]) -> Vec<Bytes> {
    parts(&[
        HEADER_PART.as_bytes(),
        b"{\"date\":\"2026-02-03T04:05:06+0000\"}",
        b"{}",
        content,
    ])
}

fn encoded(channel: Option<&str>, parts: &[Bytes]) -> Result<(Opcode, Vec<u8>)> {
    let encoder = Encoder::new(channel, parts)?;
    let (opcode, len, mut gather) = (encoder.opcode(), encoder.len(), Gather::default());
    encoder.put(&mut gather);
    assert_eq!(gather.len(), len);
    Ok((opcode, gather.into_vec()))
}

fn text(channel: Option<&str>, parts: &[Bytes]) -> Value {
    let (opcode, bytes) = encoded(channel, parts).unwrap();
    assert_eq!(opcode, Opcode::Text);
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn a_client_gets_the_members_that_stock_gives_it() {
    let expected = json!({
        "header": {"msg_id": "i", "msg_type": "t", "date": "2026-02-03T04:05:06.5Z", "a": "\u{e9}"},
        "msg_id": "i",
        "msg_type": "t",
        "parent_header": {"date": "2026-02-03T04:05:06+0000"},
        "metadata": {},
        "content": {"date": "2026-02-03T04:05:06+0000"},
        "buffers": [],
        "channel": "iopub",
    });
    let parts = usual(br#"{"date":"2026-02-03T04:05:06+0000"}"#);
    assert_eq!(text(Some("iopub"), &parts), expected);
    assert_eq!(text(None, &parts).get("channel"), None);
    assert_eq!(text(Some("a\"\\\u{1}\u{e9}"), &parts)["channel"], "a\"\\\u{1}\u{e9}");
}

#[test]
fn values_are_copied_as_they_were_written() {
    let parts = usual(b"{\"a\" : NaN, \"a\":1180591620717411303424, \"b\":\"\\ud800\"}");
    let (_, bytes) = encoded(None, &parts).unwrap();
    let bytes = String::from_utf8(bytes).unwrap();
    assert!(
        bytes.contains(r#""content":{"a" : NaN, "a":1180591620717411303424, "b":"\ud800"}"#),
        "{bytes}"
    );
}

#[test]
fn bytes_that_are_not_utf_8_become_replacement_characters() {
    let mut parts = usual(b"{\"a\":\"\xff\xe2\x82\"}");
    parts[0] = Bytes::from_static(b"{\"msg_id\":\"\xff\",\"msg_type\":\"t\",\"date\":\"2026-02-03T04:05:06.5Z\"}");
    let message = text(None, &parts);
    assert_eq!(message["content"]["a"], "\u{fffd}\u{fffd}");
    assert_eq!(message["msg_id"], "\u{fffd}");
    assert_eq!(message["header"]["date"], "2026-02-03T04:05:06.5Z");
}

#[test]
fn the_members_at_the_top_are_the_last_duplicates() {
    let mut parts = usual(b"{}");
    parts[0] = Bytes::from(r#"{"msg_id":"x","msg_id":"2026-02-03T04:05:06.5Z","msg_type":"a","msg\u005ftype":[ 1 ]}"#);
    let message = text(None, &parts);
    assert_eq!(message["msg_id"], "2026-02-03T04:05:06.5Z");
    assert_eq!(message["msg_type"], json!([1]));
    assert_eq!(message["header"]["msg_id"], "2026-02-03T04:05:06.5Z");
}

#[test]
fn a_message_that_is_not_json_cannot_be_encoded() {
    let names = ["header", "parent_header", "metadata", "content"];
    for (index, part) in names.into_iter().enumerate() {
        let mut parts = usual(b"{}");
        parts[index] = Bytes::from("{\"a\":1");
        assert_eq!(encoded(None, &parts).unwrap_err(), Malformed::NotJson { part, at: 6 });
        assert_eq!(
            encoded(None, &parts[..index]).unwrap_err(),
            Malformed::MissingParts(index as u64)
        );
    }
    for (header, fault) in [
        ("[]", Malformed::NotObject("header")),
        (r#"{"msg_type":"t"}"#, Malformed::NoMember("msg_id")),
        (r#"{"msg_id":"i"}"#, Malformed::NoMember("msg_type")),
    ] {
        let mut parts = usual(b"{}");
        parts[0] = Bytes::from(header);
        assert_eq!(encoded(None, &parts).unwrap_err(), fault);
    }
}

#[test]
fn buffers_make_a_binary_message() {
    let mut parts = usual(b"{}");
    let large = vec![7; Gather::BORROW_FROM];
    parts.extend([
        Bytes::from("ab"),
        Bytes::new(),
        Bytes::from(large.clone()),
        Bytes::from("c"),
    ]);
    let (opcode, bytes) = encoded(Some("iopub"), &parts).unwrap();
    assert_eq!(opcode, Opcode::Binary);
    let number = |index: usize| u32::from_be_bytes(bytes[4 * index..4 * (index + 1)].try_into().unwrap()) as usize;
    assert_eq!((number(0), number(1)), (5, 24));
    let message: Value = serde_json::from_slice(&bytes[24..number(2)]).unwrap();
    assert_eq!((message.get("buffers"), &message["channel"]), (None, &json!("iopub")));
    assert_eq!(&bytes[number(2)..number(3)], b"ab");
    assert_eq!(number(3), number(4));
    assert_eq!(&bytes[number(4)..number(5)], large);
    assert_eq!(&bytes[number(5)..], b"c");
}

/// A complete text message of a client.
const SENT: &str =
    r#"{"header":{"msg_type":"t"},"parent_header":{},"metadata":{ },"content":{"a":[1]},"channel":"shell"}"#;

fn from_text(text: &str) -> Result<ClientMessage> {
    decode_text(&Bytes::copy_from_slice(text.as_bytes()))
}

fn expected(channel: Option<&str>, content: &'static str) -> ClientMessage {
    let parts = [r#"{"msg_type":"t"}"#, "{}", "{ }", content].map(Bytes::from).to_vec();
    ClientMessage {
        channel: channel.map(Into::into),
        msg_type: "t".into(),
        ambiguous_type: false,
        parts,
    }
}

#[test]
fn values_of_a_text_message_become_parts() {
    assert_eq!(from_text(SENT), Ok(expected(Some("shell"), "{\"a\":[1]}")));
    let without = SENT.replace(",\"channel\":\"shell\"", "");
    assert_eq!(from_text(&without), Ok(expected(None, "{\"a\":[1]}")));
    assert_eq!(
        from_text(&SENT.replace("\"shell\"", "null")),
        Ok(expected(None, "{\"a\":[1]}"))
    );
    for buffers in ["null", "[]", "[ \n]", "{}", "{ }", "\"\""] {
        let text = without.replacen('{', &format!("{{\"buffers\":{buffers},"), 1);
        assert_eq!(from_text(&text), Ok(expected(None, "{\"a\":[1]}")));
    }
}

#[test]
fn an_empty_value_is_an_empty_object_where_clients_send_one() {
    let parts = |from: &str, to: &str| from_text(&SENT.replace(from, to)).map(|message| message.parts);
    let expected = expected(Some("shell"), "{\"a\":[1]}").parts;
    for empty in ["[]", "[ ]", "\"\""] {
        let parent = parts("\"parent_header\":{}", &format!("\"parent_header\":{empty}"));
        assert_eq!(parent.as_ref(), Ok(&expected));
    }
    assert_eq!(
        parts("\"parent_header\":{}", "\"parent_header\":null").unwrap()[1],
        "null"
    );
    for empty in ["[]", "\"\"", "null"] {
        let metadata = parts("\"metadata\":{ }", &format!("\"metadata\":{empty}")).unwrap();
        assert_eq!(metadata[2], "{}");
        assert_eq!((&metadata[1], &metadata[3]), (&expected[1], &expected[3]));
    }
}

#[test]
fn a_content_may_be_missing_or_packed_already() {
    let with = |content: &str| from_text(&SENT.replace("\"content\":{\"a\":[1]}", content));
    assert_eq!(with("\"x\":0"), Ok(expected(Some("shell"), "{}")));
    assert_eq!(with("\"content\":null"), Ok(expected(Some("shell"), "{}")));
    assert_eq!(
        with(r#""content":"{\"a\":\"\u00e9\"}""#),
        Ok(expected(Some("shell"), "{\"a\":\"\u{e9}\"}"))
    );
    assert_eq!(with(r#""content":"[]""#), Err(Malformed::NotObject("content")));
    assert_eq!(
        with(r#""content":"{""#),
        Err(Malformed::NotJson { part: "content", at: 1 })
    );
    assert_eq!(with("\"content\":[]"), Err(Malformed::NotObject("content")));
    assert_eq!(with("\"content\":false"), Err(Malformed::NotObject("content")));
}

#[test]
fn of_duplicate_members_the_last_counts() {
    let twice = SENT.replacen('}', "},\"header\":{\"msg_type\":\"allowed\",\"msg_type\":\"real\"}", 1);
    let message = from_text(&twice).unwrap();
    assert_eq!((&message.msg_type[..], message.ambiguous_type), ("real", true));
    assert_eq!(message.parts[0], "{\"msg_type\":\"allowed\",\"msg_type\":\"real\"}");
}

#[test]
fn a_text_message_of_another_shape_is_refused() {
    let header = Malformed::NoMember("header");
    for (text, fault) in [
        ("", Malformed::NotJson { part: "message", at: 0 }),
        ("[]", Malformed::NotObject("message")),
        ("null", Malformed::NotObject("message")),
        ("{}", header),
        (
            &SENT.replace("\"header\":{\"", "\"header\":[],\"x\":{\""),
            Malformed::NotObject("header"),
        ),
        (&SENT.replace("msg_type", "type"), Malformed::NoMember("msg_type")),
        (&SENT.replace("\"t\"", "5"), Malformed::MsgTypeNotString),
        (
            &SENT.replace("\"parent_header\":{}", "\"parent_header\":[0]"),
            Malformed::NotObject("parent_header"),
        ),
        (
            &SENT.replace("\"parent_header\":{},", ""),
            Malformed::NoMember("parent_header"),
        ),
        (&SENT.replace("\"metadata\":{ },", ""), Malformed::NoMember("metadata")),
        (
            &SENT.replace("\"metadata\":{ }", "\"metadata\":0"),
            Malformed::NotObject("metadata"),
        ),
        (&SENT.replace("\"shell\"", "[\"shell\"]"), Malformed::ChannelNotString),
        (
            &SENT.replace("\"shell\"", "\"shell\",\"buffers\":[\"a\"]"),
            Malformed::BuffersInText,
        ),
        (
            &SENT.replace("\"shell\"", "\"shell\",\"buffers\":{\"a\":0}"),
            Malformed::BuffersInText,
        ),
        (
            &SENT.replace("[1]", &("[".repeat(511) + &"]".repeat(511))),
            Malformed::TooDeep("message"),
        ),
    ] {
        assert_eq!(from_text(text), Err(fault), "{text}");
    }
    for cut in 0..SENT.len() {
        assert!(from_text(&SENT[..cut]).is_err(), "{cut}");
    }
    assert!(from_text(&format!("{SENT}}}")).is_err());
}

/// A binary message of a client that begins with these numbers.
fn binary(numbers: &[u32], tail: &[&[u8]]) -> Vec<u8> {
    let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    [&numbers[..], &tail.concat()].concat()
}

fn from_binary(frame: &[u8]) -> Result<ClientMessage> {
    decode_binary(&Bytes::copy_from_slice(frame), MAX_BUFFERS)
}

/// A binary message with three buffers, the second empty.
fn sent_binary() -> Vec<u8> {
    let json = u32::try_from(SENT.len()).unwrap();
    let numbers = [4, 20, 20 + json, 22 + json, 22 + json];
    binary(&numbers, &[SENT.as_bytes(), b"ab", b"", b"\xff"])
}

#[test]
fn buffers_of_a_binary_message_become_parts() {
    let mut message = expected(Some("shell"), "{\"a\":[1]}");
    assert_eq!(from_binary(&binary(&[1, 8], &[SENT.as_bytes()])), Ok(message.clone()));
    message.parts.extend(parts(&[b"ab", b"", b"\xff"]));
    assert_eq!(from_binary(&sent_binary()), Ok(message));
}

#[test]
fn a_binary_message_cut_before_its_last_buffer_is_refused() {
    let frame = sent_binary();
    // The length of the last buffer is not in the table: it ends with the frame
    for cut in 0..frame.len() - 1 {
        assert!(from_binary(&frame[..cut]).is_err(), "{cut}");
    }
    assert_eq!(
        from_binary(&[&frame[..], b"x"].concat()).unwrap().parts[6],
        &b"\xffx"[..]
    );
}

#[test]
fn each_wrong_number_of_a_binary_message_is_a_fault() {
    let json = SENT.as_bytes();
    let one_too_many = u32::try_from((8 + json.len()) / 4).unwrap();
    for (frame, fault) in [
        (
            binary(&[one_too_many, 8], &[json]),
            Malformed::OffsetCount(one_too_many.into()),
        ),
        (vec![], Malformed::ShortFrame { need: 4, have: 0 }),
        (vec![0, 0, 0], Malformed::ShortFrame { need: 4, have: 3 }),
        (binary(&[0], &[json]), Malformed::MissingParts(0)),
        (binary(&[u32::MAX], &[json]), Malformed::OffsetCount(u32::MAX.into())),
        (binary(&[1 << 31, 8], &[json]), Malformed::OffsetCount(1 << 31)),
        (binary(&[1, 4], &[json]), Malformed::FirstOffset(4)),
        (binary(&[1, 9], &[json]), Malformed::FirstOffset(9)),
        (binary(&[2, 12, 11], &[json]), Malformed::DescendingOffset(11)),
        (
            binary(&[2, 12, u32::MAX], &[json]),
            Malformed::ShortFrame {
                need: u64::from(u32::MAX) - 12,
                have: 99,
            },
        ),
        (binary(&[1, 8], &[b"{\"a\":\"\xff\"}"]), Malformed::NotUtf8("message")),
        (binary(&[1, 8], &[b"[]"]), Malformed::NotObject("message")),
        (binary(&[1, 8], &[]), Malformed::NotJson { part: "message", at: 0 }),
    ] {
        assert_eq!(from_binary(&frame), Err(fault));
    }
    let frame = sent_binary();
    for index in 0..2 {
        for bit in 0..32 {
            let mut lie = frame.clone();
            lie[4 * index + bit / 8] ^= 1 << (bit % 8);
            assert!(from_binary(&lie).is_err(), "number {index}, bit {bit}");
        }
    }
}

#[test]
fn a_binary_message_has_at_most_max_buffers() {
    let with = |buffers: u64| {
        let (buffers, json) = (u32::try_from(buffers).unwrap(), u32::try_from(SENT.len()).unwrap());
        let first = 4 * (2 + buffers);
        let ends = std::iter::repeat_n(first + json, usize::try_from(buffers).unwrap());
        let numbers: Vec<u32> = [1 + buffers, first].into_iter().chain(ends).collect();
        binary(&numbers, &[SENT.as_bytes()])
    };
    let parts = from_binary(&with(MAX_BUFFERS)).map(|message| wide(message.parts.len()));
    assert_eq!(parts, Ok(4 + MAX_BUFFERS));
    let (have, limit) = (MAX_BUFFERS + 1, MAX_BUFFERS);
    assert_eq!(from_binary(&with(have)), Err(Malformed::TooManyBuffers { have, limit }));
}

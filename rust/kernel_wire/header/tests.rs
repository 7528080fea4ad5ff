use super::*;

fn header(text: &'static str) -> Result<Header> {
    Header::read(&Bytes::from_static(text.as_bytes()))
}

fn text(text: &'static str) -> Text {
    Text(Bytes::from_static(text.as_bytes()))
}

#[test]
fn reads_the_fields_of_a_header() {
    let found = header(
        r#"{"msg_id":"m","msg_type":"stream","session":"s","date":"2026-01-01T00:00:00Z","version":"5.4","x":{"msg_id":1}}"#,
    );
    let expected = Header {
        msg_type: text("stream"),
        ambiguous_type: false,
        msg_id: Some(text("m")),
        session: Some(text("s")),
        unusual: false,
    };
    assert_eq!(found, Ok(expected));
}

#[test]
fn a_field_is_a_slice_of_its_part_unless_it_has_escapes() {
    let part = Bytes::from_static(br#"{"msg_type":"status","session":"\u0061"}"#);
    let found = Header::read(&part).unwrap();
    assert_eq!(found.msg_type.as_bytes().as_ptr(), part[13..].as_ptr());
    assert_eq!(found.session.unwrap().as_str(), "a");
    let found = Header::read(&Bytes::from_static(b"{\"msg_type\":\"a\xff\"}")).unwrap();
    assert_eq!(found.msg_type.as_str(), "a\u{fffd}");
}

#[test]
fn of_duplicate_members_the_last_counts_even_if_it_is_not_a_string() {
    assert_eq!(
        header(r#"{"msg_type":"a","msg\u005ftype":"b"}"#)
            .unwrap()
            .msg_type
            .as_str(),
        "b"
    );
    assert_eq!(
        header(r#"{"msg_type":"a","msg_type":1}"#),
        Err(Malformed::MsgTypeNotString)
    );
    assert_eq!(
        header(r#"{"msg_type":"a","msg_id":"b","msg_id":null}"#).unwrap().msg_id,
        None
    );
}

#[test]
fn a_type_is_ambiguous_if_some_reader_finds_another_one() {
    for (text, ambiguous) in [
        (r#"{"msg_type":"a","username":"b","type":"c"}"#, false),
        (r#"{"x":{"msg_type":"b"},"msg_type":"a","y":[{"msg_type":"b"}]}"#, false),
        (r#"{"msg\u005ftype":"a"}"#, false),
        (r#"{"msg_type":"a","msg_type":"a"}"#, true),
        (r#"{"msg_type":1,"msg_type":"a"}"#, true),
        (r#"{"msg_type":"a","x":0,"msg\u005ftype":"b"}"#, true),
        (r#"{"\u006d\u0073g_type":"a","msg_type":"b"}"#, true),
        (r#"{"Msg_Type":"a","msg_type":"b"}"#, true),
        (r#"{"M\u017fG_TYPE":"a","msg_type":"b"}"#, true),
        (r#"{"m\u017fx_type":"a","msg_type":"b"}"#, false),
    ] {
        assert_eq!(header(text).unwrap().ambiguous_type, ambiguous, "{text}");
    }
}

#[test]
fn a_header_without_a_msg_type_is_malformed() {
    assert_eq!(header("{}"), Err(Malformed::NoMember("msg_type")));
    assert_eq!(header(r#"{"msg_type":null}"#), Err(Malformed::MsgTypeNotString));
    assert_eq!(header("[]"), Err(Malformed::NotObject("header")));
    assert_eq!(header(""), Err(Malformed::NotJson { part: "header", at: 0 }));
    assert_eq!(
        header(r#"{"msg_type":"a""#),
        Err(Malformed::NotJson { part: "header", at: 15 })
    );
}

#[test]
fn a_header_is_unusual_without_a_date_or_a_version_of_5() {
    for (text, unusual) in [
        (r#"{"msg_type":"a","date":null,"version":"5.0"}"#, false),
        (r#"{"msg_type":"a","date":null,"version":"6"}"#, false),
        (r#"{"msg_type":"a","date":null,"version":"x"}"#, false),
        (r#"{"msg_type":"a","date":null,"version":5}"#, false),
        (r#"{"msg_type":"a","version":"5.4"}"#, true),
        (r#"{"msg_type":"a","date":null}"#, true),
        (r#"{"msg_type":"a","date":null,"version":"4.1"}"#, true),
        (
            r#"{"msg_type":"a","date":"2026-01-01T00:00:00","version":"5.0"}"#,
            false,
        ),
        (
            r#"{"msg_type":"a","date":"2026-01-01T00:00:00Z","version":"5.0"}"#,
            false,
        ),
    ] {
        assert_eq!(header(text).unwrap().unusual, unusual, "{text}");
    }
}

#[test]
fn an_odd_parent_has_no_fields() {
    let parent = |text: &'static str| ParentHeader::read(&Bytes::from_static(text.as_bytes()));
    let whole = parent(r#"{"session":"s","msg_id":"m","msg_type":"t"}"#);
    assert_eq!(
        whole,
        ParentHeader {
            msg_type: Some(text("t")),
            msg_id: Some(text("m")),
            session: Some(text("s")),
        }
    );
    for odd in [
        "{}",
        "null",
        "[]",
        "",
        r#"{"session":"s""#,
        r#"{"session":1,"msg_id":[]}"#,
    ] {
        assert_eq!(parent(odd), ParentHeader::default(), "{odd}");
    }
}

#[test]
fn only_a_status_has_an_execution_state() {
    let fields = |msg_type: &str, content: &str| {
        let header = format!(r#"{{"msg_type":"{msg_type}"}}"#);
        let parts = [header, "{}".into(), "{}".into(), content.into()].map(Bytes::from);
        Fields::read(&parts).unwrap().execution_state
    };
    assert_eq!(
        fields("status", r#"{"execution_state":"busy","execution_state":"idle"}"#),
        Some(text("idle"))
    );
    assert_eq!(fields("stream", r#"{"execution_state":"idle"}"#), None);
    assert_eq!(fields("status", r#"{"a":{"execution_state":"idle"}}"#), None);
    assert_eq!(fields("status", r#"{"execution_state":"idle""#), None);
    assert_eq!(fields("status", "[]"), None);
    assert_eq!(Fields::read(&[Bytes::new()]), Err(Malformed::MissingParts(1)));
}

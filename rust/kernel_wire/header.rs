//! Reads the few header fields that a rule needs, and nothing else.
//!
//! A field is a slice of its part, unless it is written with escapes. Of duplicate members the last one counts, as for
//! Python: a reader that took the first would let a message pass an allow-list under a name that the kernel never sees.
//! Cost: one scan of header and parent_header, and of the content of a status.

use bytes::Bytes;

use crate::error::{Malformed, Result};
use crate::json;

/// A decoded string of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Bytes);

impl Text {
    /// The string that the value `raw` of `part` is; None if it is of another kind.
    fn of(part: &Bytes, raw: &[u8]) -> Option<Self> {
        Some(Self(match json::decode_string(raw)? {
            std::borrow::Cow::Borrowed(text) => part.slice_ref(text.as_bytes()),
            std::borrow::Cow::Owned(text) => Bytes::from(text),
        }))
    }

    /// Its UTF-8 bytes, for comparisons.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The string.
    pub fn as_str(&self) -> &str {
        // Checked when it was made, so this is never empty by mistake; checking again is cheaper than an unsafe block
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// What is read of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Of which type the message is.
    pub msg_type: Text,
    /// The message's own id.
    pub msg_id: Option<Text>,
    /// Who sent it: for a kernel's messages, the kernel.
    pub session: Option<Text>,
    /// Whether the Session adapts such a message: no date, no version, or a version below 5.
    pub outdated: bool,
}

/// What is read of a parent_header. A message without a parent has none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    /// Of which type the parent is.
    pub msg_type: Option<Text>,
    /// The parent's id.
    pub msg_id: Option<Text>,
    /// Which client sent the parent.
    pub session: Option<Text>,
}

/// What is read of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Of its header.
    pub header: Header,
    /// Of its parent_header.
    pub parent: Parent,
    /// Of the content of a status.
    pub execution_state: Option<Text>,
}

impl Fields {
    /// Reads the fields of a message with these parts.
    pub fn read(parts: &[Bytes]) -> Result<Self> {
        let [header, parent, _metadata, content, ..] = parts else {
            return Err(Malformed::MissingParts(crate::reader::wide(parts.len())));
        };
        let header = Header::read(header)?;
        let is_status = header.msg_type.as_bytes() == b"status";
        let execution_state = if is_status { execution_state(content) } else { None };
        Ok(Self {
            header,
            parent: Parent::read(parent),
            execution_state,
        })
    }
}

impl Header {
    /// Reads a header, which must be a JSON object with a string `msg_type`.
    pub fn read(part: &Bytes) -> Result<Self> {
        let mut msg_type = None;
        let mut found = Self {
            msg_type: Text::default(),
            msg_id: None,
            session: None,
            outdated: false,
        };
        let (mut has_date, mut version) = (false, None);
        json::members(part, |key, value| match key {
            b"msg_type" => msg_type = Some(Text::of(part, value)),
            b"msg_id" => found.msg_id = Text::of(part, value),
            b"session" => found.session = Text::of(part, value),
            b"date" => has_date = true,
            b"version" => version = Some(value),
            _ => {}
        })
        .map_err(|fault| fault.of("header"))?;
        found.msg_type = msg_type
            .ok_or(Malformed::NoMember("msg_type"))?
            .ok_or(Malformed::MsgTypeNotString)?;
        found.outdated = !has_date || version.is_none_or(is_below_5);
        Ok(found)
    }
}

impl Parent {
    /// Reads a parent_header. Whatever it is, it is no fault: the fields of what is odd are not there.
    pub fn read(part: &Bytes) -> Self {
        let mut found = Self::default();
        let read = json::members(part, |key, value| match key {
            b"msg_type" => found.msg_type = Text::of(part, value),
            b"msg_id" => found.msg_id = Text::of(part, value),
            b"session" => found.session = Text::of(part, value),
            _ => {}
        });
        if read.is_ok() { found } else { Self::default() }
    }
}

fn execution_state(content: &Bytes) -> Option<Text> {
    let mut state = None;
    let read = json::members(content, |key, value| {
        if key == b"execution_state" {
            state = Text::of(content, value);
        }
    });
    read.ok().and(state)
}

/// Whether a `version` is one that the Session adapts. Versions that are no versions are left alone.
fn is_below_5(raw: &[u8]) -> bool {
    json::decode_string(raw)
        .and_then(|version| {
            version
                .split('.')
                .next()
                .and_then(|major| major.trim().parse::<u64>().ok())
        })
        .is_some_and(|major| major < 5)
}

#[cfg(test)]
mod tests {
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
            msg_id: Some(text("m")),
            session: Some(text("s")),
            outdated: false,
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
    fn a_header_is_outdated_without_a_date_or_a_version_of_5() {
        for (text, outdated) in [
            (r#"{"msg_type":"a","date":null,"version":"5.0"}"#, false),
            (r#"{"msg_type":"a","date":null,"version":"6"}"#, false),
            (r#"{"msg_type":"a","date":null,"version":"x"}"#, false),
            (r#"{"msg_type":"a","date":null,"version":5}"#, false),
            (r#"{"msg_type":"a","version":"5.4"}"#, true),
            (r#"{"msg_type":"a","date":null}"#, true),
            (r#"{"msg_type":"a","date":null,"version":"4.1"}"#, true),
        ] {
            assert_eq!(header(text).unwrap().outdated, outdated, "{text}");
        }
    }

    #[test]
    fn an_odd_parent_has_no_fields() {
        let parent = |text: &'static str| Parent::read(&Bytes::from_static(text.as_bytes()));
        let whole = parent(r#"{"session":"s","msg_id":"m","msg_type":"t"}"#);
        assert_eq!(
            whole,
            Parent {
                msg_type: Some(text("t")),
                msg_id: Some(text("m")),
                session: Some(text("s"))
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
            assert_eq!(parent(odd), Parent::default(), "{odd}");
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
}

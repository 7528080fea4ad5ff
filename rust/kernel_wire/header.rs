//! Reads the few header fields that the core uses: type, id, session, date and version; of a status also its state.
//!
//! A field is a slice of its part, unless it is written with escapes. Of duplicate members the last one counts, as in
//! Python. If the first one counted, a message could pass an allow-list with a `msg_type` that the kernel does not use.
//! Cost: one scan of header and parent_header, and of the content of a status.

use bytes::Bytes;

use crate::error::{Malformed, Result};
use crate::json::{self, Fault};

/// A decoded string of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Bytes);

impl Text {
    /// Decodes the value `raw`, a slice of `part`. None: it is not a string.
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
        // It was checked in `of`, so this cannot fail; a second check is better than an unsafe block
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The fields of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type of the message.
    pub msg_type: Text,
    /// Whether some JSON readers find another type: the header has the key `msg_type` twice, or again in other letter case.
    pub ambiguous_type: bool,
    /// The message's own id.
    pub msg_id: Option<Text>,
    /// The session of the sender: the kernel or a client.
    pub session: Option<Text>,
    /// Whether jupyter_client's Session must adapt it for legacy clients: it has no date, no version, or a version below 5.
    pub unusual: bool,
}

/// The fields of a parent_header. A message without a parent has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParentHeader {
    /// The type of the parent.
    pub msg_type: Option<Text>,
    /// The id of the parent.
    pub msg_id: Option<Text>,
    /// The session of the client that sent the parent.
    pub session: Option<Text>,
}

/// The fields of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Of the header.
    pub header: Header,
    /// Of the parent_header.
    pub parent: ParentHeader,
    /// Of the content of a status.
    pub execution_state: Option<Text>,
}

impl Fields {
    /// Reads the fields of a message with these parts.
    pub fn read(parts: &[Bytes]) -> Result<Self> {
        Self::read_after(None, parts)
    }

    /// Reads the fields of a message that follows another one, whose parent_header and fields are `before`. The messages of a cell
    /// have equal parent_headers, which are read once. Cost: one comparison of the two, instead of a scan.
    pub fn read_after(before: Option<(&Bytes, &Self)>, parts: &[Bytes]) -> Result<Self> {
        let [header, parent, _metadata, content, ..] = parts else {
            return Err(Malformed::MissingParts(crate::reader::wide(parts.len())));
        };
        let header = Header::read(header)?;
        let is_status = header.msg_type.as_bytes() == b"status";
        let execution_state = if is_status { execution_state(content) } else { None };
        Ok(Self {
            header,
            parent: match before {
                Some((same, fields)) if same == parent => fields.parent.clone(),
                _ => ParentHeader::read(parent),
            },
            execution_state,
        })
    }
}

impl Header {
    /// Reads a header, which must be a JSON object with a string `msg_type`.
    pub fn read(part: &Bytes) -> Result<Self> {
        let found = Found::read(part).map_err(|fault| fault.of("header"))?;
        Ok(Self {
            msg_type: found
                .msg_type
                .ok_or(Malformed::NoMember("msg_type"))?
                .ok_or(Malformed::MsgTypeNotString)?,
            ambiguous_type: found.type_keys > 1,
            msg_id: found.msg_id,
            session: found.session,
            unusual: !found.has_date || found.version_5 != Some(true),
        })
    }
}

impl ParentHeader {
    /// Reads a parent_header. It never fails: fields that are malformed or missing are None.
    pub fn read(part: &Bytes) -> Self {
        let found = Found::read(part).unwrap_or_default();
        Self {
            msg_type: found.msg_type.flatten(),
            msg_id: found.msg_id,
            session: found.session,
        }
    }
}

/// The result of one scan of a header.
#[derive(Default)]
struct Found {
    /// The outer None: the header has no `msg_type`. The inner None: it is not a string.
    #[allow(clippy::option_option)]
    msg_type: Option<Option<Text>>,
    /// The number of keys that some JSON reader takes for `msg_type`.
    type_keys: usize,
    msg_id: Option<Text>,
    session: Option<Text>,
    has_date: bool,
    /// Whether the version is at least 5; None if the header has no version.
    version_5: Option<bool>,
}

impl Found {
    fn read(part: &Bytes) -> std::result::Result<Self, Fault> {
        let mut found = Self::default();
        json::members(part, |key, value| {
            found.type_keys += usize::from(may_be_type(key));
            match key {
                b"msg_type" => found.msg_type = Some(Text::of(part, value)),
                b"msg_id" => found.msg_id = Text::of(part, value),
                b"session" => found.session = Text::of(part, value),
                b"date" => found.has_date = true,
                b"version" => found.version_5 = Some(!is_below_5(value)),
                _ => {}
            }
        })?;
        Ok(found)
    }
}

/// Whether some JSON reader takes `key` for `msg_type`. Readers that ignore case, such as Go's, also take `\u{17f}` for an `s`.
fn may_be_type(key: &[u8]) -> bool {
    let plain = key.eq_ignore_ascii_case(b"msg_type");
    plain
        || key.strip_prefix(b"m").or(key.strip_prefix(b"M")).is_some_and(|rest| {
            let rest = rest.strip_prefix("\u{17f}".as_bytes());
            rest.is_some_and(|rest| rest.eq_ignore_ascii_case(b"g_type"))
        })
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

/// Whether this `version` is below 5. A value that is not a version counts as new enough.
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
mod tests;

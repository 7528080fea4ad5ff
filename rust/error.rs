//! The faults of malformed messages.
//!
//! One flat enum for both directions, so that log lines, counters and tests use the same name for a fault. It must not
//! carry bytes of a message, key or token, because its text is logged: its payload is numbers and constant names.

use std::fmt;

/// The result of functions that read a message.
pub type Result<T> = std::result::Result<T, Malformed>;

/// A fault of a message. The first line of each variant is shown in docs/messages.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A frame is shorter than the lengths in it say.
    ShortFrame {
        /// Bytes that should follow.
        need: u64,
        /// Bytes that are left.
        have: u64,
    },
    /// A frame has more bytes after its last part.
    TrailingBytes(u64),
    /// The table of offsets is longer than the frame.
    OffsetCount(u64),
    /// The first offset does not point to the end of the table of offsets.
    FirstOffset(u64),
    /// An offset is smaller than the one before it.
    DescendingOffset(u64),
    /// The channel of a v1 frame is not UTF-8.
    ChannelNotUtf8,
    /// The channel of a legacy message is not a string.
    ChannelNotString,
    /// A kernel's message has no `<IDS|MSG>` frame.
    NoDelimiter,
    /// A message has fewer than four parts.
    MissingParts(u64),
    /// The signature is empty although the kernel has a key.
    Unsigned,
    /// The signature does not match the message.
    BadSignature,
    /// A message with the same valid signature was received before.
    Duplicate,
    /// A JSON text is not UTF-8.
    NotUtf8(&'static str),
    /// A part is not JSON.
    NotJson {
        /// The name of the part.
        part: &'static str,
        /// The position of the first wrong byte.
        at: u64,
    },
    /// The JSON of a part has more nested arrays and objects than the limit.
    TooDeep(&'static str),
    /// A part is JSON, but not an object.
    NotObject(&'static str),
    /// A legacy message or a header lacks a required member.
    NoMember(&'static str),
    /// The `msg_type` of a header is not a string.
    MsgTypeNotString,
    /// A legacy text message has buffers, which only a binary message can carry.
    BuffersInText,
    /// A client's message has more buffers than the limit.
    TooManyBuffers {
        /// Buffers of the message.
        have: u64,
        /// The limit.
        limit: u64,
    },
    /// A message is too long for the 32-bit offsets of a legacy binary message.
    TooLong(u64),
}

impl Malformed {
    /// A short name for counters and tests. It does not change between versions.
    pub fn kind(self) -> &'static str {
        match self {
            Self::ShortFrame { .. } => "short_frame",
            Self::TrailingBytes(_) => "trailing_bytes",
            Self::OffsetCount(_) => "offset_count",
            Self::FirstOffset(_) => "first_offset",
            Self::DescendingOffset(_) => "descending_offset",
            Self::ChannelNotUtf8 => "channel_not_utf8",
            Self::ChannelNotString => "channel_not_string",
            Self::NoDelimiter => "no_delimiter",
            Self::MissingParts(_) => "missing_parts",
            Self::Unsigned => "unsigned",
            Self::BadSignature => "bad_signature",
            Self::Duplicate => "duplicate",
            Self::NotUtf8(_) => "not_utf8",
            Self::NotJson { .. } => "not_json",
            Self::TooDeep(_) => "too_deep",
            Self::NotObject(_) => "not_object",
            Self::NoMember(_) => "no_member",
            Self::MsgTypeNotString => "msg_type_not_string",
            Self::BuffersInText => "buffers_in_text",
            Self::TooManyBuffers { .. } => "too_many_buffers",
            Self::TooLong(_) => "too_long",
        }
    }

    /// Whether the fault is one of signature or replay. Such a message may be forged.
    pub fn is_signature(self) -> bool {
        matches!(self, Self::Unsigned | Self::BadSignature | Self::Duplicate)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ShortFrame { need, have } => write!(f, "needs {need} more bytes, but only {have} are left"),
            Self::TrailingBytes(n) => write!(f, "has {n} bytes after its last part"),
            Self::OffsetCount(n) => write!(f, "has {n} offsets, more than fit into the frame"),
            Self::FirstOffset(n) => write!(f, "its first offset is {n}, not the end of the table of offsets"),
            Self::DescendingOffset(n) => write!(f, "its offset {n} is smaller than the one before it"),
            Self::ChannelNotUtf8 => f.write_str("its channel is not UTF-8"),
            Self::ChannelNotString => f.write_str("its channel is not a string"),
            Self::NoDelimiter => f.write_str("has no <IDS|MSG> delimiter"),
            Self::MissingParts(n) => write!(f, "has {n} parts, at least 4 are required"),
            Self::Unsigned => f.write_str("is not signed"),
            Self::BadSignature => f.write_str("its signature is invalid"),
            Self::Duplicate => f.write_str("its signature was seen before"),
            Self::NotUtf8(part) => write!(f, "its {part} is not UTF-8"),
            Self::NotJson { part, at } => write!(f, "its {part} is not JSON (at byte {at})"),
            Self::TooDeep(part) => write!(f, "its {part} is nested too deep"),
            Self::NotObject(part) => write!(f, "its {part} is not a JSON object"),
            Self::NoMember(name) => write!(f, "has no {name}"),
            Self::MsgTypeNotString => f.write_str("the msg_type in its header is not a string"),
            Self::BuffersInText => f.write_str("is a text message with buffers"),
            Self::TooManyBuffers { have, limit } => write!(f, "has {have} buffers, at most {limit} are allowed"),
            Self::TooLong(n) => write!(f, "is {n} bytes long, too long for a legacy binary message"),
        }
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_fault_has_its_numbers() {
        let fault = Malformed::ShortFrame { need: 8, have: 7 };
        assert_eq!(fault.to_string(), "needs 8 more bytes, but only 7 are left");
        assert_eq!(fault.kind(), "short_frame");
    }

    #[test]
    fn only_signature_and_replay_faults_are_signature_faults() {
        assert!(Malformed::Unsigned.is_signature());
        assert!(Malformed::BadSignature.is_signature());
        assert!(Malformed::Duplicate.is_signature());
        assert!(!Malformed::NoDelimiter.is_signature());
    }
}

//! The legacy protocol, which has no subprotocol name: a message is one JSON object, as text, or as binary with buffers.
//!
//! ```text
//! text:    {"header":{},"parent_header":{},"metadata":{},"content":{},"buffers":[],"channel":"shell"}
//! binary:  u32be n | u32be offset 0 ... u32be offset n-1 | the same without "buffers" | buffer 1 ... buffer n-1
//!                                                        ^0                           ^1       ...  ^n-1
//! ```
//!
//! Offsets count from the start of the frame; the last part ends with the frame. A message to a client also has the `msg_id`
//! and `msg_type` of its header at the top level. JSON values are checked and then copied as they were written, not parsed
//! and serialised again. A client parses the same values as from the stock class; bytes that are not UTF-8 become U+FFFD.
//! One difference: stock reformats dates in header and parent_header, this code does not.

use std::borrow::Cow;

use bytes::Bytes;

use super::gather::Gather;
use super::websocket::Opcode;
use super::{CONTENT, ClientMessage, EMPTY_OBJECT, HEADER, METADATA, PARENT_HEADER, check_buffers, object};
use crate::error::{Malformed, Result};
use crate::json;
use crate::kernel_wire::header::Header;
use crate::reader::{Reader, wide};

/// A checked message, ready to be encoded.
#[derive(Debug)]
pub struct Encoder<'a> {
    members: [(&'static str, Cow<'a, [u8]>); 6],
    channel: Option<String>,
    buffers: &'a [Bytes],
    json_len: usize,
    offsets: Vec<u32>,
}

impl<'a> Encoder<'a> {
    /// Checks the JSON parts of a message. `parts`: the four JSON parts, then any buffers.
    pub fn new(channel: Option<&str>, parts: &'a [Bytes]) -> Result<Self> {
        let [header, parent_header, metadata, content, buffers @ ..] = parts else {
            return Err(Malformed::MissingParts(wide(parts.len())));
        };
        let (msg_id, msg_type) = copies(header)?;
        let members = [
            ("{\"header\":", json::lossy(header)),
            (",\"msg_id\":", json::lossy(msg_id)),
            (",\"msg_type\":", json::lossy(msg_type)),
            (",\"parent_header\":", shown(PARENT_HEADER, parent_header)?),
            (",\"metadata\":", shown(METADATA, metadata)?),
            (",\"content\":", shown(CONTENT, content)?),
        ];
        let channel = channel.map(json::quoted);
        let mut encoder = Self {
            members,
            channel,
            buffers,
            json_len: 0,
            offsets: Vec::new(),
        };
        encoder.json_len = encoder
            .members
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
            + encoder.tail().iter().map(|piece| piece.len()).sum::<usize>();
        encoder.offsets = encoder.offsets()?;
        Ok(encoder)
    }

    /// Text for a message without buffers: JupyterLab refuses a binary message with one part.
    pub fn opcode(&self) -> Opcode {
        if self.buffers.is_empty() {
            Opcode::Text
        } else {
            Opcode::Binary
        }
    }

    /// Whether the JSON parts are copied as they were written, because all of them are UTF-8.
    pub fn is_as_written(&self) -> bool {
        self.members.iter().all(|(_, value)| matches!(value, Cow::Borrowed(_)))
    }

    /// The length of the encoded message in bytes.
    #[allow(clippy::len_without_is_empty)] // a message is never empty
    pub fn len(&self) -> usize {
        4 * self.offsets.len() + self.json_len + self.buffers.iter().map(Bytes::len).sum::<usize>()
    }

    /// Appends the encoded message to `gather`.
    pub fn put(self, gather: &mut Gather<'a>) {
        for number in &self.offsets {
            gather.copy(&number.to_be_bytes());
        }
        let tail = self.tail().concat();
        for (name, value) in self.members {
            gather.copy(name.as_bytes());
            gather.put(value);
        }
        gather.copy(tail.as_bytes());
        for buffer in self.buffers {
            gather.share(buffer);
        }
    }

    /// The pieces after the content.
    fn tail(&self) -> [&str; 4] {
        let buffers = if self.buffers.is_empty() { ",\"buffers\":[]" } else { "" };
        let name = if self.channel.is_some() { ",\"channel\":" } else { "" };
        [buffers, name, self.channel.as_deref().unwrap_or_default(), "}"]
    }

    /// The number of parts, then the offset of each part; empty for a text message.
    fn offsets(&self) -> Result<Vec<u32>> {
        if self.buffers.is_empty() {
            return Ok(Vec::new());
        }
        let count = self.buffers.len() + 1;
        let narrow = |n: usize| u32::try_from(n).map_err(|_| Malformed::TooLong(wide(n)));
        let mut offset = 4 * (1 + count);
        let mut offsets = vec![narrow(count)?, narrow(offset)?];
        // The last buffer ends with the frame, so its end has no offset
        let all_but_last = self.buffers.iter().map(Bytes::len).take(count - 2);
        for len in [self.json_len].into_iter().chain(all_but_last) {
            offset += len;
            offsets.push(narrow(offset)?);
        }
        Ok(offsets)
    }
}

/// The `msg_id` and `msg_type` of a header. A legacy message repeats them at its top level.
fn copies(header: &[u8]) -> Result<(&[u8], &[u8])> {
    let (mut msg_id, mut msg_type) = (None, None);
    json::members(header, |key, value| match key {
        b"msg_id" => msg_id = Some(value),
        b"msg_type" => msg_type = Some(value),
        _ => {}
    })
    .map_err(|fault| fault.of(HEADER))?;
    let missing = Malformed::NoMember;
    Ok((msg_id.ok_or(missing("msg_id"))?, msg_type.ok_or(missing("msg_type"))?))
}

/// Decodes a text message of a client.
pub fn decode_text(frame: &Bytes) -> Result<ClientMessage> {
    let members = Members::of(frame)?;
    match members.buffers {
        None => {}
        // Upstream treats these values as no buffers
        Some(buffers) if buffers == b"null" || json::is_empty(buffers) => {}
        Some(_) => return Err(Malformed::BuffersInText),
    }
    members.message(frame)
}

/// Decodes a binary message of a client with at most `max_buffers` buffers.
pub fn decode_binary(frame: &Bytes, max_buffers: u64) -> Result<ClientMessage> {
    let mut reader = Reader::new(frame);
    let count = u64::from(u32::from_be_bytes(reader.take_array()?));
    if count > reader.len() / 4 {
        return Err(Malformed::OffsetCount(count));
    }
    check_buffers(count.saturating_sub(1), max_buffers)?;
    let mut table = reader.sub(4 * count)?;
    let Ok(first) = table.take_array().map(u32::from_be_bytes) else {
        return Err(Malformed::MissingParts(0));
    };
    let mut last = u64::from(first);
    if last != 4 * (1 + count) {
        return Err(Malformed::FirstOffset(last));
    }
    let mut parts = Vec::new();
    while !table.is_empty() {
        let next = u64::from(u32::from_be_bytes(table.take_array()?));
        parts.push(reader.take(next.checked_sub(last).ok_or(Malformed::DescendingOffset(next))?)?);
        last = next;
    }
    parts.push(reader.rest());
    let Some((json, buffers)) = parts.split_first() else {
        return Err(Malformed::MissingParts(0));
    };
    std::str::from_utf8(json).map_err(|_| Malformed::NotUtf8(MESSAGE))?;
    let mut message = Members::of(json)?.message(frame)?;
    message
        .parts
        .extend(buffers.iter().map(|buffer| frame.slice_ref(buffer)));
    Ok(message)
}

/// The channel of a message, if it can be read; other members are not checked.
pub fn channel_in(text: &[u8]) -> Option<String> {
    Members::of(text).ok()?.channel().ok()?
}

/// The members of a legacy message, as they were written.
#[derive(Default)]
struct Members<'a> {
    header: Option<&'a [u8]>,
    parent_header: Option<&'a [u8]>,
    metadata: Option<&'a [u8]>,
    content: Option<&'a [u8]>,
    channel: Option<&'a [u8]>,
    buffers: Option<&'a [u8]>,
}

impl<'a> Members<'a> {
    fn of(text: &'a [u8]) -> Result<Self> {
        let mut found = Self::default();
        json::members(text, |key, value| match key {
            b"header" => found.header = Some(value),
            b"parent_header" => found.parent_header = Some(value),
            b"metadata" => found.metadata = Some(value),
            b"content" => found.content = Some(value),
            b"channel" => found.channel = Some(value),
            b"buffers" => found.buffers = Some(value),
            _ => {}
        })
        .map_err(|fault| fault.of(MESSAGE))?;
        Ok(found)
    }

    /// The message, whose parts are slices of `frame`. The members must be slices of `frame` too.
    fn message(&self, frame: &Bytes) -> Result<ClientMessage> {
        let part = |name, value: Option<&[u8]>| object(name, frame.slice_ref(value.ok_or(Malformed::NoMember(name))?));
        let header = self.header.ok_or(Malformed::NoMember(HEADER))?;
        let parts = vec![
            frame.slice_ref(header),
            part(PARENT_HEADER, self.parent_header)?,
            part(METADATA, self.metadata)?,
            self.content(frame)?,
        ];
        let header = Header::read(&frame.slice_ref(header))?;
        Ok(ClientMessage {
            channel: self.channel()?,
            msg_type: header.msg_type.as_str().to_owned(),
            ambiguous_type: header.ambiguous_type,
            parts,
        })
    }

    fn channel(&self) -> Result<Option<String>> {
        match self.channel {
            None | Some(b"null") => Ok(None),
            Some(raw) => json::decode_string(raw)
                .map(|name| Some(name.into_owned()))
                .ok_or(Malformed::ChannelNotString),
        }
    }

    /// As upstream does, reads a missing content as `{}`, and a string as a content that is already JSON text.
    fn content(&self, frame: &Bytes) -> Result<Bytes> {
        match self.content {
            None => Ok(EMPTY_OBJECT),
            Some(raw) => {
                let packed = json::decode_string(raw).map(|text| Bytes::from(text.into_owned()));
                object(CONTENT, packed.unwrap_or_else(|| frame.slice_ref(raw)))
            }
        }
    }
}

/// Checks that a part is JSON and returns it as UTF-8.
fn shown<'a>(name: &'static str, part: &'a [u8]) -> Result<Cow<'a, [u8]>> {
    json::check(part).map_err(|fault| fault.of(name))?;
    Ok(json::lossy(part))
}

/// The name in faults of the JSON of the whole message, in place of a part's name.
const MESSAGE: &str = "message";

#[cfg(test)]
mod tests;

//! The subprotocol `v1.kernel.websocket.jupyter.org`: a table of offsets, then the parts of a message.
//!
//! ```text
//! u64le n | u64le offset 0 ... u64le offset n-1 | channel | header | parent_header | metadata | content | buffer*
//!                                               ^0        ^1       ^2                                   ... n-1^
//! ```
//!
//! Offsets count from the start of the frame. The first is the end of the table, the last the end of the frame, and each
//! part ends where the next begins. JupyterLab and jupyter_server write exactly this. Other tables are refused: a wrong
//! offset must not decide which bytes are signed with the kernel's key.

use bytes::Bytes;

use super::gather::Gather;
use super::{CONTENT, ClientMessage, METADATA, PARENT_HEADER, check_buffers, object};
use crate::error::{Malformed, Result};
use crate::kernel_wire::header::Header;
use crate::kernel_wire::signature::SIGNED_PARTS;
use crate::reader::{Reader, wide};

/// The name of the subprotocol in the WebSocket handshake.
pub const NAME: &str = "v1.kernel.websocket.jupyter.org";

/// Appends one encoded message to `gather`.
pub fn encode<'a>(channel: &str, parts: &'a [Bytes], gather: &mut Gather<'a>) {
    let offsets = parts.len() + 2;
    gather.copy(&wide(offsets).to_le_bytes());
    let mut offset = 8 * (1 + offsets);
    gather.copy(&wide(offset).to_le_bytes());
    for len in [channel.len()].into_iter().chain(parts.iter().map(Bytes::len)) {
        offset += len;
        gather.copy(&wide(offset).to_le_bytes());
    }
    gather.copy(channel.as_bytes());
    // Only buffers are shared: merging needs the bytes of the JSON parts in one place
    let (json, buffers) = parts.split_at(parts.len().min(SIGNED_PARTS));
    for part in json {
        gather.put(&part[..]);
    }
    for buffer in buffers {
        gather.share(buffer);
    }
}

/// The length in bytes of a message that `encode` writes.
pub fn encoded_len(channel: &str, parts: &[Bytes]) -> usize {
    8 * (3 + parts.len()) + channel.len() + parts.iter().map(Bytes::len).sum::<usize>()
}

/// Decodes one message with at most `max_buffers` buffers. `json`: check that the four parts are JSON, and read the header.
pub fn decode(frame: &Bytes, json: bool, max_buffers: u64) -> Result<ClientMessage> {
    let mut reader = Reader::new(frame);
    let count = u64::from_le_bytes(reader.take_array()?);
    if count > reader.len() / 8 {
        return Err(Malformed::OffsetCount(count));
    }
    if count < MIN_OFFSETS {
        return Err(Malformed::MissingParts(count.saturating_sub(2)));
    }
    check_buffers(count - MIN_OFFSETS, max_buffers)?;
    let mut table = reader.sub(8 * count)?;
    let mut last = u64::from_le_bytes(table.take_array()?);
    if last != 8 * (1 + count) {
        return Err(Malformed::FirstOffset(last));
    }
    let channel = take_until(&mut table, &mut last, &mut reader)?;
    let channel = std::str::from_utf8(channel).map_err(|_| Malformed::ChannelNotUtf8)?;
    let mut parts = Vec::new();
    while !table.is_empty() {
        parts.push(frame.slice_ref(take_until(&mut table, &mut last, &mut reader)?));
    }
    reader.finish()?;
    let header = if json { Some(check(&mut parts)?) } else { None };
    Ok(ClientMessage {
        channel: Some(channel.to_owned()),
        msg_type: header
            .as_ref()
            .map(|header| header.msg_type.as_str().to_owned())
            .unwrap_or_default(),
        ambiguous_type: header.is_some_and(|header| header.ambiguous_type),
        parts,
    })
}

/// The bytes from the offset `last` to the next one of `table`.
fn take_until<'a>(table: &mut Reader<'_>, last: &mut u64, frame: &mut Reader<'a>) -> Result<&'a [u8]> {
    let next = u64::from_le_bytes(table.take_array()?);
    let len = next.checked_sub(*last).ok_or(Malformed::DescendingOffset(next))?;
    *last = next;
    frame.take(len)
}

/// Checks that the four JSON parts are objects, and returns the fields of the header.
fn check(parts: &mut [Bytes]) -> Result<Header> {
    let count = wide(parts.len());
    let [header, parent_header, metadata, content, ..] = parts else {
        return Err(Malformed::MissingParts(count));
    };
    let header = Header::read(header)?;
    for (name, part) in [(PARENT_HEADER, parent_header), (METADATA, metadata), (CONTENT, content)] {
        *part = object(name, std::mem::take(part))?;
    }
    Ok(header)
}

/// The fewest offsets of a frame: one for the channel, one for each of the four JSON parts, one for the end.
const MIN_OFFSETS: u64 = 6;

#[cfg(test)]
mod tests;

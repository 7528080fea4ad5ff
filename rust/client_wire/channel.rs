//! Finds the channel of a malformed frame for its log line.
//!
//! Reads as much of the frame as is readable. The result is one of four constant names, so that no text of a client is
//! logged. Cost: that of decoding, and only for a malformed frame.

use super::{Protocol, legacy};
use crate::reader::Reader;

/// The channel of a malformed frame, if it can be read and is one of the four.
pub fn channel_of(frame: &[u8], protocol: Protocol, text: bool) -> Option<&'static str> {
    let name = match (protocol, text) {
        (Protocol::V1, false) => of_v1(frame)?.to_vec(),
        (Protocol::V1, true) => return None,
        (Protocol::Legacy, true) => legacy::channel_in(frame)?.into_bytes(),
        (Protocol::Legacy, false) => legacy::channel_in(json_of_legacy(frame)?)?.into_bytes(),
    };
    CHANNELS.into_iter().find(|known| known.as_bytes() == name)
}

fn of_v1(frame: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(frame);
    let count = u64::from_le_bytes(reader.take_array().ok()?);
    let mut table = reader.sub(count.checked_mul(8)?).ok()?;
    let first = u64::from_le_bytes(table.take_array().ok()?);
    let second = u64::from_le_bytes(table.take_array().ok()?);
    reader.take(second.checked_sub(first)?).ok()
}

fn json_of_legacy(frame: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(frame);
    let count = u64::from(u32::from_be_bytes(reader.take_array().ok()?));
    let mut table = reader.sub(count.checked_mul(4)?).ok()?;
    let first = u64::from(u32::from_be_bytes(table.take_array().ok()?));
    match table.take_array().map(u32::from_be_bytes) {
        Ok(second) => reader.take(u64::from(second).checked_sub(first)?).ok(),
        Err(_) => Some(reader.rest()),
    }
}

const CHANNELS: [&str; 4] = ["shell", "control", "stdin", "iopub"];

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::client_wire::gather::Gather;
    use crate::client_wire::v1;

    fn v1_frame(channel: &str) -> Vec<u8> {
        let mut gather = Gather::default();
        let parts = [const { Bytes::from_static(b"{") }; 4];
        v1::encode(channel, &parts, &mut gather);
        gather.into_vec()
    }

    #[test]
    fn the_channel_is_found_where_it_can_be_read() {
        for channel in CHANNELS {
            let json = format!(r#"{{"channel":"{channel}","header":7}}"#);
            let count_and_offsets = [0, 0, 0, 1, 0, 0, 0, 8];
            let binary = [&count_and_offsets[..], json.as_bytes()].concat();
            assert_eq!(channel_of(&v1_frame(channel), Protocol::V1, false), Some(channel));
            assert_eq!(channel_of(json.as_bytes(), Protocol::Legacy, true), Some(channel));
            assert_eq!(channel_of(&binary, Protocol::Legacy, false), Some(channel));
        }
    }

    #[test]
    fn other_names_and_frames_have_no_channel() {
        assert_eq!(channel_of(&v1_frame("nowhere"), Protocol::V1, false), None);
        assert_eq!(channel_of(&v1_frame("shell"), Protocol::V1, true), None);
        for text in ["", "[]", r#"{"channel":7}"#, r#"{"channel":"shell""#] {
            assert_eq!(channel_of(text.as_bytes(), Protocol::Legacy, true), None);
        }
        for length in 0..v1_frame("shell").len() {
            let frame = vec![0xff; length];
            assert_eq!(channel_of(&frame, Protocol::V1, false), None);
            assert_eq!(channel_of(&frame, Protocol::Legacy, false), None);
        }
    }
}

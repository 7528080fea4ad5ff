//! RFC 6455 frames that a server sends: unmasked, and one frame for each message.
//!
//! ```text
//! FIN=1 opcode | 0 length         | length 0..=125
//! FIN=1 opcode | 0 126  u16be     | length up to 65,535
//! FIN=1 opcode | 0 127  u64be     | longer
//! ```

use super::gather::Gather;
use crate::reader::{Reader, wide};

/// The type of a data frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// Appends the head of a frame with `len` bytes of payload.
pub fn put_head(gather: &mut Gather<'_>, opcode: Opcode, len: usize) {
    let first = match opcode {
        Opcode::Text => 0x81,
        Opcode::Binary => 0x82,
    };
    // "The minimal number of bytes MUST be used to encode the length" (section 5.2)
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..=125), _) => gather.copy(&[first, len]),
        (_, Ok(len)) => {
            gather.copy(&[first, 126]);
            gather.copy(&len.to_be_bytes());
        }
        _ => {
            gather.copy(&[first, 127]);
            gather.copy(&wide(len).to_be_bytes());
        }
    }
}

/// A ping frame. A payload of more than 125 bytes is truncated.
pub fn ping(payload: &[u8]) -> Vec<u8> {
    let payload = payload.get(..MAX_CONTROL).unwrap_or(payload);
    let len = u8::try_from(payload.len()).unwrap_or_default();
    [&[0x89, len], payload].concat()
}

/// Whether `bytes` is exactly one frame.
pub fn is_frame(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes);
    let Ok([first, len]) = reader.take_array() else {
        return false;
    };
    let len = match len {
        0..=125 => Ok(u64::from(len)),
        126 => reader.take_array().map(|len| u64::from(u16::from_be_bytes(len))),
        127 => reader.take_array().map(u64::from_be_bytes),
        _ => return false,
    };
    matches!(first, 0x81 | 0x82) && len == Ok(reader.len())
}

/// The most bytes in the payload of a control frame (section 5.5).
const MAX_CONTROL: usize = 125;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_one_control_frame() {
        assert_eq!(ping(b"ab"), [0x89, 2, b'a', b'b']);
        assert_eq!(ping(&[7; 200]).len(), 2 + 125);
    }

    #[test]
    fn a_frame_is_as_long_as_its_head_says() {
        for len in [0, 125, 126, 65_535, 65_536] {
            for opcode in [Opcode::Text, Opcode::Binary] {
                let mut gather = Gather::default();
                put_head(&mut gather, opcode, len);
                let frame = [gather.into_vec(), vec![b'x'; len]].concat();
                assert!(is_frame(&frame));
                assert!(!is_frame(&[&frame[..], b"x"].concat()));
                for cut in [0, 1, 2, 4, 9, frame.len() - 1] {
                    assert!(!is_frame(&frame[..cut.min(frame.len() - 1)]), "{len}, {cut}");
                }
                let lies = [[0x80, frame[1]], [0x01, frame[1]], [frame[0], frame[1] | 0x80]];
                assert!(!lies.iter().any(|head| is_frame(&[head, &frame[2..]].concat())));
            }
        }
    }

    #[test]
    fn the_length_takes_as_few_bytes_as_possible() {
        for (opcode, len, expected) in [
            (Opcode::Text, 0, &[0x81, 0][..]),
            (Opcode::Binary, 125, &[0x82, 125]),
            (Opcode::Binary, 126, &[0x82, 126, 0, 126]),
            (Opcode::Text, 256, &[0x81, 126, 1, 0]),
            (Opcode::Binary, 65_535, &[0x82, 126, 255, 255]),
            (Opcode::Binary, 65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut gather = Gather::default();
            put_head(&mut gather, opcode, len);
            assert_eq!(gather.into_vec(), expected);
        }
    }
}

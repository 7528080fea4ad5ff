//! Heads of RFC 6455 frames from a server: unmasked, one frame a message.
//!
//! ```text
//! FIN=1 opcode | 0 length         | length 0..=125
//! FIN=1 opcode | 0 126  u16be     | length up to 65,535
//! FIN=1 opcode | 0 127  u64be     | longer
//! ```
//!
//! A ping has at most 125 bytes of payload (section 5.5).

use super::gather::Gather;
use crate::reader::wide;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
}

/// Puts the head of a frame with `len` bytes of payload.
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

/// A ping; `payload` is cut to what a control frame may hold.
pub fn ping(payload: &[u8]) -> Vec<u8> {
    let payload = payload.get(..MAX_CONTROL).unwrap_or(payload);
    let len = u8::try_from(payload.len()).unwrap_or_default();
    [&[0x89, len], payload].concat()
}

/// Bytes of a control frame's payload.
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

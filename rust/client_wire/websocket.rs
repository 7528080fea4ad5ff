//! Heads of RFC 6455 frames from a server: unmasked, one frame a message.
//!
//! ```text
//! FIN=1 opcode | 0 length         | length 0..=125
//! FIN=1 opcode | 0 126  u16be     | length up to 65,535
//! FIN=1 opcode | 0 127  u64be     | longer
//! ```

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

#[cfg(test)]
mod tests {
    use super::*;

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

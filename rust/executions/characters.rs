//! Finds where the inside of a JSON string can be cut: between two characters.

use crate::reader::wide;

/// Two positions between characters of the inside of a JSON string: the last one that is not after `limit`, and the first one
/// that is not before it. If the text is shorter than `limit`, both are its end.
pub fn boundaries(text: &[u8], limit: u64) -> (usize, usize) {
    let mut at = 0;
    loop {
        let end = at + step(text.get(at..).unwrap_or_default());
        if end == at || wide(at) >= limit {
            return (at, at);
        }
        if wide(end) > limit {
            return (at, end);
        }
        at = end;
    }
}

/// The length of the first character: an escape, a pair of escaped surrogates, or the bytes of one in UTF-8.
fn step(text: &[u8]) -> usize {
    let len = match text {
        [] => 0,
        [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', ..] => match text.get(6..) {
            Some([b'\\', b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', ..]) => 12,
            _ => 6,
        },
        [b'\\', b'u', ..] => 6,
        [b'\\', ..] => 2,
        [_, rest @ ..] => 1 + rest.iter().take_while(|byte| (0x80..0xc0).contains(*byte)).count(),
    };
    len.min(text.len())
}

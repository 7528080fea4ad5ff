use super::*;
use crate::client_wire::websocket::Opcode;

const LIMIT: usize = 10_000;

/// The sizes that the buffer has while texts of `len` bytes are inserted up to the limit.
fn sizes(len: usize) -> Vec<usize> {
    let frame = Frame::own(Opcode::Binary, &[b'.'; 1000]);
    let mut growing = GrowingFrame::new(&frame, LONGEST_HEAD + 500);
    let mut sizes = vec![growing.bytes.capacity()];
    while growing.added() + len <= LIMIT {
        growing.push(&vec![b'x'; len], wide(LIMIT));
        sizes.push(growing.bytes.capacity());
    }
    sizes.dedup();
    sizes
}

#[test]
fn buffers_that_are_full_have_equal_sizes() {
    let before = sizes(LIMIT + 1)[0];
    let full = before + LIMIT + ROOM_AFTER;
    let first = 4 * (before + 1);
    assert_eq!(sizes(1), [before, first, 4 * (first + 1), full]);
    assert_eq!(sizes(700), [before, 4 * (before + 700), full]);
    assert_eq!(sizes(LIMIT), [before, full]);
}

#[test]
fn a_text_that_is_longer_than_the_limit_gets_its_own_room() {
    let frame = Frame::own(Opcode::Binary, b"");
    let mut growing = GrowingFrame::new(&frame, LONGEST_HEAD);
    let text = vec![b'x'; 10 * LIMIT];
    growing.push(&text, wide(LIMIT));
    assert_eq!(growing.bytes.capacity(), growing.before + text.len());
}

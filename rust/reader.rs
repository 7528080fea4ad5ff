//! Reads untrusted bytes. Only this code slices a frame by the lengths in it.
//!
//! A `Reader` returns subslices of a frame, and the fault `ShortFrame` if the frame is too short. Lengths are `u64`, as in the
//! widest format. They are checked before anything is sliced or allocated. Cost: one comparison for each read; nothing is
//! copied.

use crate::error::{Malformed, Result};

/// Reads a frame from its start to its end.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// How many bytes are left.
    pub fn len(&self) -> u64 {
        wide(self.left.len())
    }

    /// Whether no bytes are left.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: u64) -> Result<&'a [u8]> {
        let short = Malformed::ShortFrame {
            need: n,
            have: self.len(),
        };
        let cut = usize::try_from(n).map_err(|_| short)?;
        let (head, tail) = self.left.split_at_checked(cut).ok_or(short)?;
        self.left = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array, for `from_le_bytes` of an integer.
    pub fn take_array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, tail) = self.left.split_first_chunk::<N>().ok_or(Malformed::ShortFrame {
            need: wide(N),
            have: self.len(),
        })?;
        self.left = tail;
        Ok(*head)
    }

    /// A reader of the next `n` bytes.
    pub fn sub(&mut self, n: u64) -> Result<Reader<'a>> {
        Ok(Reader::new(self.take(n)?))
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }

    /// Fails if bytes are left.
    pub fn finish(self) -> Result<()> {
        if self.left.is_empty() {
            Ok(())
        } else {
            Err(Malformed::TrailingBytes(self.len()))
        }
    }
}

/// A length in memory as `u64`. Cannot overflow: no platform has a wider `usize`.
pub fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_bytes_that_are_left_and_no_more() {
        let mut reader = Reader::new(b"abcdef");
        assert_eq!(reader.take(2), Ok(&b"ab"[..]));
        assert_eq!(reader.take_array::<2>(), Ok(*b"cd"));
        assert_eq!(reader.take(3), Err(Malformed::ShortFrame { need: 3, have: 2 }));
        assert_eq!(
            reader.take_array::<8>(),
            Err(Malformed::ShortFrame { need: 8, have: 2 })
        );
        assert_eq!(reader.finish(), Err(Malformed::TrailingBytes(2)));
        assert_eq!(reader.rest(), b"ef");
        assert!(reader.is_empty());
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn a_length_beyond_memory_is_a_short_frame() {
        let mut reader = Reader::new(b"abc");
        assert_eq!(
            reader.take(u64::MAX),
            Err(Malformed::ShortFrame {
                need: u64::MAX,
                have: 3
            })
        );
        assert!(reader.sub(1 << 40).is_err());
        assert_eq!(reader.len(), 3);
    }

    #[test]
    fn a_sub_reader_ends_after_its_bytes() {
        let mut reader = Reader::new(b"abc");
        let mut head = reader.sub(2).unwrap();
        assert_eq!(head.rest(), b"ab");
        assert_eq!(reader.rest(), b"c");
    }
}

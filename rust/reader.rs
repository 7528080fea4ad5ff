//! The only code that measures untrusted bytes.
//!
//! A `Reader` hands out subslices of a frame and fails with a typed error where the frame ends too early. Lengths are
//! `u64`, as the widest format writes them, and are compared before anything is cut or allocated: a lying length costs
//! one comparison. It copies nothing.

use crate::error::{Malformed, Result};

/// Reads a frame from its start to its end.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// At the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// How many bytes are left.
    pub fn len(&self) -> u64 {
        wide(self.left.len())
    }

    /// Whether all was read.
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

    /// The next `N` bytes, as an integer's `from_le_bytes` wants them.
    pub fn take_array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, tail) = self.left.split_first_chunk::<N>().ok_or(Malformed::ShortFrame {
            need: wide(N),
            have: self.len(),
        })?;
        self.left = tail;
        Ok(*head)
    }

    /// A reader of the next `n` bytes only.
    pub fn sub(&mut self, n: u64) -> Result<Reader<'a>> {
        Ok(Reader::new(self.take(n)?))
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }

    /// Fails if something is left.
    pub fn finish(self) -> Result<()> {
        if self.left.is_empty() {
            Ok(())
        } else {
            Err(Malformed::TrailingBytes(self.len()))
        }
    }
}

/// A length in memory as the number that a format counts with. No platform has a wider `usize`.
pub fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_is_there_and_no_more() {
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
    fn a_length_beyond_memory_costs_a_comparison() {
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
    fn a_sub_reader_ends_where_it_was_told() {
        let mut reader = Reader::new(b"abc");
        let mut head = reader.sub(2).unwrap();
        assert_eq!(head.rest(), b"ab");
        assert_eq!(reader.rest(), b"c");
    }
}

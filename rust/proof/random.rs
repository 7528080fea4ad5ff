//! A source of choices: random numbers of a seed, or the bytes of a fuzzer.
//!
//! A choice uses up as many of the fuzzer's bytes as it needs, so a fuzzer that changes one byte changes one choice. When none is
//! left, every choice is 0. Must not be used for secrets: it can be guessed. Cost: a few instructions a choice.

use crate::reader::wide;

/// Makes choices.
pub struct Random<'a> {
    /// Marsaglia's xorshift64.
    state: u64,
    bytes: Option<&'a [u8]>,
}

impl Random<'static> {
    /// The choices of a seed.
    pub fn new(seed: u64) -> Self {
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = Self { state, bytes: None };
        random.next();
        random
    }
}

impl<'a> Random<'a> {
    /// The choices that these bytes make.
    pub fn of(bytes: &'a [u8]) -> Self {
        let bytes = Some(bytes);
        Self { state: 0, bytes }
    }

    /// Whether the bytes are used up.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_some_and(<[u8]>::is_empty)
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        let Some(bytes) = &mut self.bytes else {
            return self.next() % limit;
        };
        let (mut number, mut room) = (0, 1_u64);
        while room < limit {
            let Some((first, rest)) = bytes.split_first() else {
                break;
            };
            (number, *bytes) = (number << 8 | u64::from(*first), rest);
            room = room.saturating_mul(256);
        }
        number % limit
    }

    /// A size below `limit`.
    pub fn size(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(wide(limit))).unwrap()
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `all`.
    pub fn choose<'b, T>(&mut self, all: &'b [T]) -> &'b T {
        &all[self.size(all.len())]
    }

    /// The next bytes, at most `len`. Of a seed: random ones.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        match &mut self.bytes {
            Some(bytes) => {
                let (taken, rest) = bytes.split_at(len.min(bytes.len()));
                *bytes = rest;
                taken.to_vec()
            }
            None => (0..len).map(|_| self.next().to_le_bytes()[3]).collect(),
        }
    }

    /// All bytes that are left; of a seed, none.
    pub fn rest(&mut self) -> Vec<u8> {
        self.take(self.bytes.map_or(0, <[u8]>::len))
    }
}

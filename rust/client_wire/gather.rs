//! The output of an encoder: small pieces copied together, large pieces borrowed, large buffers shared.
//!
//! A caller that needs all bytes in one place calls `write` or `into_vec`, which copy each large piece once. A caller that
//! can use several places calls `into_segments`, which copies no large buffer.

use std::borrow::Cow;

use bytes::Bytes;

/// Pieces in order.
#[derive(Debug, Default)]
pub struct Gather<'a> {
    small: Vec<u8>,
    /// Large pieces, each with the length of `small` when it was added.
    large: Vec<(usize, Large<'a>)>,
    len: usize,
}

/// A piece that is not copied yet.
#[derive(Debug)]
enum Large<'a> {
    Borrowed(Cow<'a, [u8]>),
    Shared(Bytes),
}

impl AsRef<[u8]> for Large<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl<'a> Gather<'a> {
    /// `put` borrows pieces of at least this many bytes.
    pub const BORROW_FROM: usize = 16 * 1024;

    /// `share` never copies pieces of at least this many bytes.
    pub const SHARE_FROM: usize = 64 * 1024;

    /// Reserves `small` bytes for small pieces.
    pub fn with_capacity(small: usize) -> Self {
        Self {
            small: Vec::with_capacity(small),
            ..Self::default()
        }
    }

    /// The length of all pieces.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether all pieces together have no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a piece, copying it.
    pub fn copy(&mut self, piece: &[u8]) {
        self.small.extend_from_slice(piece);
        self.len += piece.len();
    }

    /// Appends a piece: copies it if it is small, else borrows it.
    pub fn put(&mut self, piece: impl Into<Cow<'a, [u8]>>) {
        let piece = piece.into();
        if piece.len() < Self::BORROW_FROM {
            return self.copy(&piece);
        }
        self.len += piece.len();
        self.large.push((self.small.len(), Large::Borrowed(piece)));
    }

    /// Appends a piece: copies or borrows it like `put`, but shares it if it is large.
    pub fn share(&mut self, piece: &'a Bytes) {
        if piece.len() < Self::SHARE_FROM {
            return self.put(&piece[..]);
        }
        self.len += piece.len();
        self.large.push((self.small.len(), Large::Shared(piece.clone())));
    }

    /// Whether a piece is shared.
    pub fn shares(&self) -> bool {
        self.large.iter().any(|(_, piece)| matches!(piece, Large::Shared(_)))
    }

    /// All bytes, if they are in one place already.
    pub fn as_slice(&self) -> Option<&[u8]> {
        self.large.is_empty().then_some(&self.small)
    }

    /// Copies all pieces to `out`, whose length must be `len()`.
    pub fn write(&self, mut out: &mut [u8]) {
        for piece in self.pieces() {
            // A piece that does not fit into `out` is not written at all
            if let Some((place, tail)) = std::mem::take(&mut out).split_at_mut_checked(piece.len()) {
                place.copy_from_slice(piece);
                out = tail;
            }
        }
    }

    /// All pieces, copied into one place.
    pub fn into_vec(self) -> Vec<u8> {
        if self.large.is_empty() {
            return self.small;
        }
        let mut out = Vec::with_capacity(self.len);
        self.pieces().for_each(|piece| out.extend_from_slice(piece));
        out
    }

    /// Shared pieces as they are; the pieces between two of them copied together.
    pub fn into_segments(self) -> Vec<Bytes> {
        let mut segments = Segments::default();
        let mut from = 0;
        for (at, piece) in self.large {
            segments.copy(self.small.get(from..at).unwrap_or_default());
            from = at;
            match piece {
                Large::Borrowed(piece) => segments.copy(&piece),
                Large::Shared(piece) => segments.share(piece),
            }
        }
        segments.copy(self.small.get(from..).unwrap_or_default());
        segments.finish()
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        let before_large = self.large.iter().flat_map(move |(at, large)| {
            let small = self.small.get(from..*at).unwrap_or_default();
            from = *at;
            [small, large.as_ref()]
        });
        let last = self.large.last().map_or(0, |(at, _)| *at);
        before_large.chain([self.small.get(last..).unwrap_or_default()])
    }
}

/// Builds a list of byte strings: large pieces are shared, consecutive small ones are copied together.
#[derive(Default)]
pub struct Segments {
    done: Vec<Bytes>,
    small: Vec<u8>,
    len: usize,
}

impl Segments {
    /// The length of all pieces.
    #[allow(clippy::len_without_is_empty)] // would not be used
    pub fn len(&self) -> usize {
        self.len
    }

    /// Appends a piece, copying it.
    pub fn copy(&mut self, piece: &[u8]) {
        self.small.extend_from_slice(piece);
        self.len += piece.len();
    }

    /// Appends a piece: shares it if it is large, else copies it.
    pub fn share(&mut self, piece: Bytes) {
        if piece.len() < Gather::SHARE_FROM {
            return self.copy(&piece);
        }
        self.len += piece.len();
        self.end_small();
        self.done.push(piece);
    }

    /// All segments.
    pub fn finish(mut self) -> Vec<Bytes> {
        self.end_small();
        self.done
    }

    fn end_small(&mut self) {
        if !self.small.is_empty() {
            self.done.push(Bytes::from(std::mem::take(&mut self.small)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_in_the_order_in_which_they_were_put() {
        let large = vec![1; Gather::BORROW_FROM];
        let larger = vec![2; Gather::BORROW_FROM + 1];
        let mut gather = Gather::default();
        let mut expected = Vec::new();
        for piece in [&b"ab"[..], &large, &larger, b"", b"c", &large, b"d"] {
            gather.put(piece);
            expected.extend_from_slice(piece);
        }
        assert_eq!(gather.len(), expected.len());
        assert_eq!(gather.as_slice(), None);
        let mut out = vec![0; gather.len()];
        gather.write(&mut out);
        assert!(out == expected && gather.into_vec() == expected);
    }

    #[test]
    fn small_pieces_alone_are_in_one_place_already() {
        let mut gather = Gather::with_capacity(4);
        assert!(gather.is_empty());
        gather.put(&b"ab"[..]);
        gather.put(vec![b'c']);
        assert_eq!(gather.as_slice(), Some(&b"abc"[..]));
        let mut out = [0; 3];
        gather.write(&mut out);
        assert_eq!(&out, b"abc");
    }

    #[test]
    fn large_buffers_are_shared_and_pieces_between_them_are_joined() {
        let buffer = Bytes::from(vec![1; Gather::SHARE_FROM]);
        let small = Bytes::from_static(b"cd");
        let borrowed = vec![2; Gather::BORROW_FROM];
        let mut gather = Gather::default();
        gather.copy(b"ab");
        gather.share(&buffer);
        gather.share(&small);
        gather.put(&borrowed);
        assert!(gather.shares() && gather.as_slice().is_none());
        let mut flat = vec![0; gather.len()];
        gather.write(&mut flat);
        let segments = gather.into_segments();
        assert_eq!(segments.concat(), flat);
        assert_eq!(
            segments.iter().map(Bytes::len).collect::<Vec<_>>(),
            [2, buffer.len(), 2 + borrowed.len()]
        );
        assert_eq!(segments[1].as_ptr(), buffer.as_ptr());
        let mut gather = Gather::default();
        gather.share(&small);
        assert!(!gather.shares() && gather.into_segments() == [small.clone()]);
        assert!(Gather::default().into_segments().is_empty());
    }
}

//! Encoded bytes that several frames share, in one place or in several.
//!
//! The small pieces of a batch stand together; a large buffer stays where libzmq put it, so that it is never copied. What
//! is asked for is a range of all of it, as if it were in one place. The bytes of all sources of the process are counted, so
//! that what several sessions share counts once in the limits of the server. Cost: a search among the segments, of which
//! there is one where no buffer is large; two atomic additions a source.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::reader::wide;

/// See the module.
pub struct Source {
    segments: Vec<Segment>,
    len: usize,
    object: Option<Box<dyn Any + Send + Sync>>,
}

struct Segment {
    start: usize,
    bytes: Bytes,
}

impl Source {
    /// Bytes in one place. `object` is what the caller knows them by; it is handed back where all of them leave at once.
    pub fn new(bytes: Bytes, object: Option<Box<dyn Any + Send + Sync>>) -> Arc<Self> {
        let mut source = Self::of([bytes]);
        source.object = object;
        Arc::new(source)
    }

    /// Bytes in several places.
    pub fn of_segments(segments: Vec<Bytes>) -> Arc<Self> {
        Arc::new(Self::of(segments))
    }

    fn of(segments: impl IntoIterator<Item = Bytes>) -> Self {
        let mut len = 0;
        let segments = segments.into_iter().map(|bytes| {
            let start = len;
            len += bytes.len();
            Segment { start, bytes }
        });
        let segments = segments.collect();
        LIVE.fetch_add(wide(len), Ordering::Relaxed);
        Self {
            segments,
            len,
            object: None,
        }
    }

    /// The length of all of it.
    #[allow(clippy::len_without_is_empty)] // nobody asks
    pub fn len(&self) -> usize {
        self.len
    }

    /// What `new` was given.
    pub fn object(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.object.as_deref()
    }

    /// The bytes of `range` that are in one place with the first of them.
    pub fn first(&self, range: &Range<usize>) -> &[u8] {
        self.from(range.start)
            .next()
            .and_then(|segment| segment.bytes.get(segment.cut(range)))
            .unwrap_or_default()
    }

    /// The bytes of `range`, one piece for each place they are in.
    pub fn pieces(&self, range: Range<usize>) -> impl Iterator<Item = Bytes> {
        let end = range.end;
        self.from(range.start)
            .take_while(move |segment| segment.start < end)
            .map(move |segment| segment.bytes.slice(segment.cut(&range)))
    }

    /// The segments from the one on in which `start` is.
    fn from(&self, start: usize) -> impl Iterator<Item = &Segment> {
        let index = self.segments.partition_point(|segment| segment.end() <= start);
        self.segments.get(index..).unwrap_or_default().iter()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        LIVE.fetch_sub(wide(self.len), Ordering::Relaxed);
    }
}

/// Bytes of all sources that somebody holds, in this process: memory has no other owner that could count it.
pub fn live_bytes() -> u64 {
    LIVE.load(Ordering::Relaxed)
}

static LIVE: AtomicU64 = AtomicU64::new(0);

impl Segment {
    fn end(&self) -> usize {
        self.start + self.bytes.len()
    }

    /// The part of `range` that is in here, counted from the start of this segment.
    fn cut(&self, range: &Range<usize>) -> Range<usize> {
        let within = |at: usize| at.clamp(self.start, self.end()) - self.start;
        within(range.start)..within(range.end).max(within(range.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_is_found_as_if_all_were_in_one_place() {
        let flat = b"abcdefghij";
        let cuts: [&[usize]; 4] = [&[], &[3], &[1, 2, 9], &[5, 5]];
        for cuts in cuts {
            let bounds: Vec<usize> = [&[0], cuts, &[flat.len()]].concat();
            let places = bounds
                .windows(2)
                .map(|pair| Bytes::from_static(&flat[pair[0]..pair[1]]));
            let source = Source::of_segments(places.collect());
            assert_eq!(source.len(), flat.len());
            for start in 0..=flat.len() {
                for end in start..=flat.len() {
                    let pieces: Vec<Bytes> = source.pieces(start..end).collect();
                    assert_eq!(pieces.concat(), flat[start..end], "{cuts:?} {start}..{end}");
                    assert_eq!(
                        source.first(&(start..end)),
                        pieces.first().map_or(&b""[..], |piece| piece)
                    );
                }
            }
        }
    }

    #[test]
    fn no_bytes_are_none() {
        let source = Source::new(Bytes::new(), None);
        assert_eq!((source.len(), source.first(&(0..0))), (0, &b""[..]));
        assert_eq!(source.pieces(0..0).map(|piece| piece.len()).sum::<usize>(), 0);
        assert_eq!(source.first(&(3..9)), b"", "what is not there");
    }
}

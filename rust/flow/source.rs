//! Encoded bytes that several frames share, in one segment or several.
//!
//! The small pieces of a batch are copied into one segment; a large buffer is a segment in libzmq's memory and is never
//! copied. Callers address the bytes as if they were contiguous. The bytes of all sources of the process are counted, so
//! that bytes which several sessions share count once in the limits of the server. Cost: a binary search among the
//! segments, usually only one; two atomic additions for each source.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::reader::wide;

/// Encoded bytes with shared ownership.
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
    /// A source of one segment. `object`: the Python object with the same bytes, to be reused when all of them are written.
    pub fn new(bytes: Bytes, object: Option<Box<dyn Any + Send + Sync>>) -> Arc<Self> {
        let mut source = Self::of([bytes]);
        source.object = object;
        Arc::new(source)
    }

    /// A source of several segments.
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

    /// The length of all segments in bytes.
    #[allow(clippy::len_without_is_empty)] // would not be used
    pub fn len(&self) -> usize {
        self.len
    }

    /// The object that was passed to `new`.
    pub fn object(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.object.as_deref()
    }

    /// The bytes of `range` in the segment where it starts.
    pub fn first(&self, range: &Range<usize>) -> &[u8] {
        self.from(range.start)
            .next()
            .and_then(|segment| segment.bytes.get(segment.cut(range)))
            .unwrap_or_default()
    }

    /// The bytes of `range`, one piece for each segment.
    pub fn pieces(&self, range: Range<usize>) -> impl Iterator<Item = Bytes> {
        let end = range.end;
        self.from(range.start)
            .take_while(move |segment| segment.start < end)
            .map(move |segment| segment.bytes.slice(segment.cut(&range)))
    }

    /// The segments from the one that has `start`.
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

/// The bytes of all sources of this process. A static counter, because sessions share sources and no object owns them all.
pub fn live_bytes() -> u64 {
    LIVE.load(Ordering::Relaxed)
}

static LIVE: AtomicU64 = AtomicU64::new(0);

impl Segment {
    fn end(&self) -> usize {
        self.start + self.bytes.len()
    }

    /// The part of `range` in this segment, relative to its start.
    fn cut(&self, range: &Range<usize>) -> Range<usize> {
        let within = |at: usize| at.clamp(self.start, self.end()) - self.start;
        within(range.start)..within(range.end).max(within(range.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_read_as_if_they_were_contiguous() {
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
                    assert!(start == end || pieces.last().is_some_and(|piece| !piece.is_empty()));
                    assert_eq!(
                        source.first(&(start..end)),
                        pieces.first().map_or(&b""[..], |piece| piece)
                    );
                }
            }
        }
    }

    #[test]
    fn an_empty_source_has_no_bytes() {
        let source = Source::new(Bytes::new(), None);
        assert_eq!((source.len(), source.first(&(0..0))), (0, &b""[..]));
        assert_eq!(source.pieces(0..0).map(|piece| piece.len()).sum::<usize>(), 0);
        assert_eq!(source.first(&(3..9)), b"", "a range outside of it");
    }
}

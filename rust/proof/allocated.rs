//! Limits what an input may make the core allocate: at most in proportion to its length.
//!
//! Only this thread's allocations count. Counting is the work of the crate `allocation-counter`, which replaces the allocator
//! of tests and fuzzers. Must not be part of a release. Cost: a few additions for each allocation.

use std::time::{Duration, Instant};

use crate::reader::wide;

/// How much an input may make the core allocate.
#[derive(Clone, Copy)]
pub struct Limit {
    /// Bytes of all allocations together, for each byte of input.
    pub per_byte: u64,
    /// The same for any input.
    pub base: u64,
}

impl Limit {
    /// Runs `work` on an input of `len` bytes, and fails if it costs more. A fuzzer also fails if it takes too long; a test must
    /// not depend on the speed of its machine.
    pub fn check<T>(self, len: usize, work: impl FnOnce() -> T) -> T {
        let (begin, mut result) = (Instant::now(), None);
        let allocated = allocation_counter::measure(|| result = Some(work())).bytes_total;
        let took = begin.elapsed();
        let limit = self.base + self.per_byte * wide(len);
        assert!(
            allocated <= limit,
            "{len} bytes of input: {allocated} bytes are allocated, {limit} may be"
        );
        let longest = Duration::from_secs(2) + Duration::from_millis(wide(len));
        assert!(!cfg!(fuzzing) || took < longest, "{len} bytes of input take {took:?}");
        result.unwrap()
    }
}

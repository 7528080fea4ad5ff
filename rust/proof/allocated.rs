//! Counts what a thread allocates, to check that an input makes the core allocate at most in proportion to its length.
//!
//! The allocator of tests and fuzzers adds to a counter of the thread and calls the system's. Must not be part of a release.
//! Cost: one addition for each allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::reader::wide;

thread_local! {
    // Without a destructor and set at compile time, so that reading it allocates nothing
    static ALLOCATED: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: usize) {
    // A thread that ends may allocate after its counter is gone
    let _gone = ALLOCATED.try_with(|allocated| allocated.set(allocated.get().wrapping_add(wide(bytes))));
}

// SAFETY: each method passes its arguments, and with them its caller's promises, to the system's allocator
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: see above
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: see above
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()));
        // SAFETY: see above
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: see above
        unsafe { System.dealloc(old, layout) }
    }
}

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
        let (before, begin) = (ALLOCATED.get(), Instant::now());
        let result = work();
        let (allocated, took) = (ALLOCATED.get().wrapping_sub(before), begin.elapsed());
        let limit = self.base + self.per_byte * wide(len);
        assert!(
            allocated <= limit,
            "{len} bytes of input: {allocated} bytes are allocated, {limit} may be"
        );
        let longest = Duration::from_secs(2) + Duration::from_millis(wide(len));
        assert!(!cfg!(fuzzing) || took < longest, "{len} bytes of input take {took:?}");
        result
    }
}

//! Proofs over very many inputs: the bodies of the fuzzers in fuzz/, and the simulation of the core. Only for tests and fuzzers.
//!
//! A body is a function of bytes that panics if something is wrong with what the core makes of them. libFuzzer calls it with
//! bytes that it has found to reach new code (`make fuzz-rust`); `cargo test` calls it with those that were kept in
//! fuzz/corpus. Must not read a clock or a file, so that an input always gives the same result.

mod allocated;
pub mod block;
pub mod kernel;
pub mod merge;
pub mod random;
pub mod simulation;
pub mod wire;

use allocated::Limit;

/// A fuzz target.
pub struct Target {
    /// As in fuzz/fuzz_targets and fuzz/corpus.
    pub name: &'static str,
    body: fn(&[u8]),
    limit: Limit,
}

/// All targets. The limits include what a body allocates for its checks. A vector that grows counts each time as a whole.
pub const TARGETS: [Target; 7] = [
    target("outbox", simulation::run_bytes, 128 * 1024, 8 * 1024 * 1024),
    target(
        "journal",
        crate::executions::journal::fuzz::run_bytes,
        128 * 1024,
        8 * 1024 * 1024,
    ),
    target(
        "widgets",
        crate::executions::comms::fuzz::run_bytes,
        8 * 1024,
        256 * 1024,
    ),
    target("kernel", kernel::run, 64, 16 * 1024),
    target("merge", merge::run, 2048, 128 * 1024),
    target("block", block::run, 128, 256 * 1024),
    target("wire", wire::run, 96, 16 * 1024),
];

const fn target(name: &'static str, body: fn(&[u8]), per_byte: u64, base: u64) -> Target {
    let limit = Limit { per_byte, base };
    Target { name, body, limit }
}

/// Runs the target `name` on one input.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    target.limit.check(input.len(), || (target.body)(input));
}

#[cfg(test)]
mod tests;

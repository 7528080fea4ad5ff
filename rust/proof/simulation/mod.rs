//! A simulation of the core: two kernels, each with two sessions and a journal, and disks in memory. One seed decides everything.
//!
//! ```text
//! seed --> list of operations --> world: kernel --batch--> session: outbox --frames--> model of what its client may get
//!                                        journal --> readers             <--blocks--> disk: slow, full, damaged
//! ```
//!
//! Each check names the guarantee of docs/guarantees.md that it belongs to. If one fails, operations are left out as long as it
//! still fails, and the seed and the shortest list are printed. `make simulate` runs many seeds; the fuzz target `outbox` makes
//! operations of bytes. Must not read a clock: time is an operation. Cost: a few microseconds for each operation.

mod attach;
mod disk;
mod kernel;
mod message;
mod model;
mod op;
mod session;
mod shortest;
mod world;

use op::Op;
use world::{Fault, World};

use super::random::Random;

/// Fails, and names the guarantee.
macro_rules! holds {
    ($letter:literal, $is:expr, $($why:tt)+) => {
        assert!($is, "{} does not hold: {}", $letter, format_args!($($why)+))
    };
}
pub(super) use holds;

/// Operations for each seed. A failure after more of them would be harder to read.
const LENGTH: usize = 300;

/// The operations of a seed.
fn operations(seed: u64) -> Vec<Op> {
    let mut random = Random::new(seed);
    (0..LENGTH).map(|_| Op::any(&mut random)).collect()
}

/// Runs a list of operations, and checks at its end that all is there or counted.
fn run(ops: &[Op], fault: Option<Fault>) {
    let mut world = World::new(fault);
    for op in ops {
        world.apply(*op);
    }
    world.finish();
}

/// The fuzz target `outbox`.
pub fn run_bytes(data: &[u8]) {
    let mut random = Random::of(data);
    let mut ops = Vec::new();
    while !random.is_empty() && ops.len() < 10 * LENGTH {
        ops.push(Op::any(&mut random));
    }
    run(&ops, None);
}

#[cfg(test)]
mod tests;

use std::env;
use std::fmt::Write;
use std::fs;
use std::panic;
use std::time::Instant;

use super::shortest::{failure, shortest};
use super::*;
use crate::reader::wide;

/// A variable of `make simulate`.
fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Runs the seeds `SEED`, `SEED + 1` and so on, `SEEDS` of them.
#[test]
fn all_guarantees_hold_whatever_happens() {
    let (first, count) = (number("SEED", 0), number("SEEDS", 150));
    let (begin, cpu_begin) = (Instant::now(), cpu_time());
    for seed in first..first + count {
        if let Some(report) = report(seed) {
            panic!("{report}");
        }
    }
    let ops = count * wide(LENGTH);
    let each_second = |nanoseconds: u128| u128::from(ops) * 1_000_000_000 / nanoseconds.max(1);
    let by_clock = each_second(begin.elapsed().as_nanos());
    let of_cpu = cpu_begin.zip(cpu_time()).map(|(begin, end)| each_second(end - begin));
    let of_cpu = of_cpu.map_or(String::new(), |rate| format!(", {rate} in a second of processor time"));
    println!("{count} seeds from {first}: {ops} operations, {by_clock} a second{of_cpu}");
}

/// The nanoseconds for which this thread has run, which other work on the machine does not change. None: not on Linux.
fn cpu_time() -> Option<u128> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// The seed, the failure and the shortest list of operations, if the seed fails.
fn report(seed: u64) -> Option<String> {
    let ops = operations(seed);
    failure(&ops, None)?;
    // The failures of shorter lists need not be shown
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let (trace, message) = shortest(&ops, None);
    panic::set_hook(hook);
    let mut report = format!("seed {seed}: {message}\n{} of {LENGTH} operations:\n", trace.len());
    for op in &trace {
        writeln!(report, "  {op:?}").unwrap();
    }
    writeln!(report, "again: make simulate SEED={seed} SEEDS=1").unwrap();
    Some(report)
}

/// Checks that a seed finds the fault and names this guarantee, and that few operations are enough for it.
fn found(fault: Fault, guarantee: &str) {
    let seeds = 0..50;
    let named = |seed: &u64| {
        let message = failure(&operations(*seed), Some(fault));
        message.is_some_and(|message| message.starts_with(guarantee))
    };
    let seed = seeds.into_iter().find(named).expect("no seed finds it");
    let (trace, message) = shortest(&operations(seed), Some(fault));
    assert!(message.starts_with(guarantee), "{message}");
    assert!(trace.len() < 12, "{trace:?}");
}

#[test]
fn a_restart_that_is_told_again_is_found() {
    found(Fault::TellsAgain, "R5 does not hold");
}

#[test]
fn a_message_that_is_lost_is_found() {
    found(Fault::LosesMessage, "L");
}

#[test]
fn messages_that_change_places_are_found() {
    found(Fault::Reorders, "O1 does not hold");
}

#[test]
fn a_seed_always_gives_the_same_operations() {
    assert_eq!(format!("{:?}", operations(7)), format!("{:?}", operations(7)));
    assert_ne!(format!("{:?}", operations(7)), format!("{:?}", operations(8)));
}

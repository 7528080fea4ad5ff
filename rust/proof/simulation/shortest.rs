//! Makes a failing list of operations as short as it can be: leaves out halves, quarters and so on, down to single operations.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::op::Op;
use super::world::Fault;

/// The message of the failure of a list. None: it does not fail.
pub fn failure(ops: &[Op], fault: Option<Fault>) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| super::run(ops, fault))).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_default(),
    )
}

/// The guarantee that a failure names, or its first words.
fn cause(message: &str) -> &str {
    message.split([':', '`', '\n']).next().unwrap_or_default()
}

/// The shortest part of a failing list that fails for the same cause, and how it fails.
pub fn shortest(ops: &[Op], fault: Option<Fault>) -> (Vec<Op>, String) {
    let mut ops = ops.to_vec();
    let mut message = failure(&ops, fault).unwrap();
    let mut len = ops.len().div_ceil(2);
    loop {
        let (mut at, mut shorter) = (0, false);
        while at < ops.len() {
            let end = (at + len).min(ops.len());
            let without = [&ops[..at], &ops[end..]].concat();
            match failure(&without, fault) {
                Some(other) if cause(&other) == cause(&message) => {
                    (ops, message, shorter) = (without, other, true);
                }
                _ => at = end,
            }
        }
        if len == 1 && !shorter {
            return (ops, message);
        }
        len = len.div_ceil(2);
    }
}

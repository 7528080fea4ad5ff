//! Finds lost messages from the ids of those that arrive. Must not change or delay a message. Time is an argument.

pub mod answers;
pub mod missing;
pub mod numbers;

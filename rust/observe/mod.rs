//! What the messages that pass say of the bridge's surroundings: numbers for somebody who watches.
//!
//! Nothing here changes a message or delays it. Time is an argument.

pub mod answers;
pub mod missing;
pub mod numbers;

//! The journal of a kernel: its executions, each with its output. Output belongs to the request, not to a connection.
//!
//! ```text
//! execute_request --request--> journal --submit--> execution (queued, running, done, lost)
//! batch of IOPub  -----------> journal --by parent--> execution --> log (merge, cut, clear, update) --read--> HTTP
//! ```
//!
//! `replay` gives an execution to a page that takes it over, as messages for that page's outbox.
//! The log of an execution is a queue of `flow`, with the same rules for merging and dropping. Nothing is sent from it: a read
//! leaves everything where it is. Must not read a clock, know users' rights or build texts for users.

pub mod append;
pub mod characters;
pub mod comms;
pub mod displays;
pub mod execution;
pub mod finished;
pub mod follow;
pub mod journal;
pub mod limits;
pub mod log;
#[cfg(any(test, fuzzing))]
pub(crate) mod model;
pub mod read;
pub mod replay;
pub mod request;
pub mod split;
pub mod take;
#[cfg(any(test, fuzzing))]
pub(crate) mod testing;

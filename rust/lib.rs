//! The core of kernelws: bytes and numbers.
//!
//! ```text
//! kernel -> client
//!   frames of a ZMQ socket --receiver--> Batch of verified messages --+--> activity
//!                            kernel_wire: split, verify, replay,      |
//!                            header                                   +--Batch::wire--> frames of a subprotocol
//!                                                                        client_wire: v1, legacy, websocket
//!   frames of a subprotocol --flow: queue, pace, resend--> frames for one client's WebSocket
//! client -> kernel
//!   WebSocket message --client_wire--> channel + parts --kernel_wire: sign, join--> frames for a ZMQ socket
//! ```
//!
//! Untrusted bytes are read through `reader` and `json` only; a fault in them is a `Malformed`. The core must not read a
//! clock, open a socket or contain texts for users. Only the module `python` uses pyo3; the rest is built and tested without.
#![deny(unsafe_code)]
// A panic in a test is a failed test; the lints keep panics out of the other code
#![cfg_attr(
    any(test, fuzzing),
    allow(
        clippy::as_conversions,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::missing_panics_doc
    )
)]
// A fuzzer uses a part of the tests' helpers
#![cfg_attr(fuzzing, allow(dead_code, missing_docs, unused_imports))]

pub mod batch;
pub mod client_wire;
pub mod error;
pub mod executions;
pub mod flow;
#[allow(unsafe_code)]
pub mod intake;
pub mod json;
#[cfg(kani)]
mod kani_proofs;
pub mod kernel_wire;
pub mod observe;
#[cfg(any(test, fuzzing))]
#[allow(unsafe_code)]
pub mod proof;
#[cfg(feature = "python")]
mod python;
pub mod reader;
pub mod receiver;

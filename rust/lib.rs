//! The core of kernelws: bytes and numbers.
//!
//! ```text
//! kernel -> client
//!   frames of a ZMQ socket --receiver--> Batch of verified messages --+--> activity
//!                            kernel_wire: split, verify, replay,      |
//!                            header                                   +--flow: may it pass?--> Wire for a subprotocol
//!                                                                              client_wire: v1, legacy, websocket
//! client -> kernel
//!   WebSocket message --client_wire--> channel + parts --kernel_wire: sign, join--> frames for a ZMQ socket
//! ```
//!
//! Untrusted bytes are read through `reader` and `json` only, and what is wrong with them is a `Malformed`. No clock, no
//! sockets, no words for users; Python is known under `python` alone, and everything else is built and tested without it.
#![deny(unsafe_code)]
// In tests a failed expectation is a failed test, which is what these lints keep out of the rest
#![cfg_attr(
    test,
    allow(
        clippy::as_conversions,
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

pub mod batch;
pub mod client_wire;
pub mod error;
pub mod flow;
#[allow(unsafe_code)]
pub mod intake;
pub mod json;
pub mod kernel_wire;
pub mod observe;
#[cfg(feature = "python")]
mod python;
pub mod reader;
pub mod receiver;

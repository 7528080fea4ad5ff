//! The kernel's end of the wire: multipart messages of ZMQ.
//!
//! ```text
//! identity*  <IDS|MSG>  signature  header  parent_header  metadata  content  buffer*
//!                                  `------------ signed ------------------'
//!                                  `------------------ parts --------------------'
//! ```
//!
//! `frames` holds the frames that a socket returned, `multipart` splits and joins messages, `signature` verifies and signs
//! them, `replay` detects repeated ones, `header` reads the few fields that the core uses, `stream` finds the
//! text of a `stream`.

pub mod frames;
pub mod header;
pub mod multipart;
pub mod replay;
pub mod signature;
pub mod stream;

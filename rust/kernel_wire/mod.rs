//! The kernel's end of the wire: multipart messages of ZMQ.
//!
//! ```text
//! identity*  <IDS|MSG>  signature  header  parent_header  metadata  content  buffer*
//!                                  `------------ signed ------------------'
//!                                  `------------------ parts --------------------'
//! ```
//!
//! `frames` holds what a socket returned, `multipart` splits and joins, `signature` and `replay` say whether a message
//! may be believed, `header` reads the few fields that a rule needs.

pub mod frames;
pub mod header;
pub mod multipart;
pub mod replay;
pub mod signature;

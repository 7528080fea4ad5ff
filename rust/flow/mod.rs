//! The outbox of a session: queues messages for one client and decides how many are sent, and when. Time is an argument.
//!
//! ```text
//! arrive --> lane (merge, cut, spill) --leave (pacing, high water)--> sent --acknowledge--> freed
//!                ^                                                     |
//!                +------------------- detach --------------------------+
//! ```

pub mod arrive;
pub mod block;
pub mod config;
pub mod cut;
pub mod disk;
pub mod encoded;
pub mod ended;
pub mod entry;
pub mod excess;
pub mod frame;
pub mod gap_index;
pub mod growing;
pub mod guard;
pub mod interrupt;
pub mod lane;
pub mod leave;
pub mod merge;
pub mod outbox;
pub mod pacing;
pub mod peek;
pub mod process;
pub mod rate_window;
pub mod sent;
pub mod source;
pub mod spill;
pub mod stats;
#[cfg(any(test, fuzzing))]
pub(crate) mod testing;
pub mod texts;
pub mod transcode;
pub mod wait_stats;
pub mod zone;

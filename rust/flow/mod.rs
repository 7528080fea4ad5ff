//! How much may pass to a client, and when. Time is an argument.

pub mod rate_window;

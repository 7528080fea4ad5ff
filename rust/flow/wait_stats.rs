//! Statistics of one outbox: what its next IOPub message waits for, how often it waited, and how much was written.
//!
//! Must not decide what is sent: `leave` decides, and records its reason here. Cost: integer additions.

use super::entry::{Count, Reason};

/// The waits and writes of one outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WaitStats {
    /// What the next IOPub message waits for, the limits (`Rate`) or the client (`SlowClient`), and since when.
    pub waiting: Option<(Reason, f64)>,
    /// How often IOPub began to wait for the limits.
    pub holds: u64,
    /// How often IOPub began to wait for an acknowledgement.
    pub stalls: u64,
    /// Messages that were written, repeats included, and their bytes on the wire.
    pub written: Count,
    /// What blocked the next message during the current `take`.
    pub blocked_by: Option<Reason>,
}

impl WaitStats {
    /// Ends a `take` that found nothing more to send: a wait begins, goes on or ends.
    pub fn end_take(&mut self, now: f64) {
        let blocked_by = self.blocked_by.take();
        if blocked_by == self.waiting.map(|(reason, _)| reason) {
            return;
        }
        self.waiting = blocked_by.map(|reason| (reason, now));
        match blocked_by {
            Some(Reason::Rate) => self.holds += 1,
            Some(Reason::SlowClient) => self.stalls += 1,
            _ => {}
        }
    }

    /// Ends the wait: no client is connected.
    pub fn detach(&mut self) {
        self.waiting = None;
    }

    /// Counts a message that was written.
    pub fn count_written(&mut self, messages: u64, bytes: u64) {
        self.written.add(Count { messages, bytes });
    }
}

#[cfg(test)]
mod tests {
    use crate::client_wire::Protocol;
    use crate::flow::config::Config;
    use crate::flow::entry::Reason;
    use crate::flow::outbox::Outbox;
    use crate::flow::testing::{HELD, MERGING, append, take, text};

    fn outbox(config: Config) -> Outbox {
        Outbox::new(Protocol::V1, config)
    }

    #[test]
    fn a_hold_counts_once_however_often_take_is_called() {
        let mut outbox = outbox(HELD);
        for number in 0..4 {
            append(&mut outbox, &[("display_data", "p", "{}")], f64::from(number));
        }
        for now in [0.0, 0.1, 1.0, 1.1] {
            take(&mut outbox, now);
        }
        assert_eq!(outbox.wait_stats.waiting, None, "all were sent");
        assert_eq!((outbox.wait_stats.holds, outbox.wait_stats.stalls), (1, 0));
        append(&mut outbox, &[("display_data", "p", "{}")], 1.2);
        take(&mut outbox, 1.2);
        assert_eq!(outbox.wait_stats.waiting, Some((Reason::Rate, 1.2)));
        assert_eq!(outbox.wait_stats.holds, 2);
    }

    #[test]
    fn a_client_that_does_not_acknowledge_stalls_once() {
        let mut outbox = outbox(Config {
            high_water: 1,
            ..MERGING
        });
        for now in [0.0, 1.0, 2.0] {
            append(&mut outbox, &[("display_data", "p", "{}")], now);
            take(&mut outbox, now);
        }
        assert_eq!(outbox.wait_stats.waiting, Some((Reason::SlowClient, 1.0)));
        assert_eq!((outbox.wait_stats.holds, outbox.wait_stats.stalls), (0, 1));
        outbox.acknowledge_all();
        take(&mut outbox, 3.0);
        assert_eq!(
            outbox.wait_stats.waiting,
            Some((Reason::SlowClient, 1.0)),
            "one was sent, one is still queued"
        );
        outbox.acknowledge_all();
        take(&mut outbox, 4.0);
        assert_eq!(outbox.wait_stats.waiting, None);
        outbox.detach(false);
        assert_eq!(outbox.wait_stats.waiting, None);
    }

    #[test]
    fn a_detached_session_does_not_wait() {
        let mut outbox = outbox(HELD);
        append(&mut outbox, &[("display_data", "p", "{}"); 3], 0.0);
        take(&mut outbox, 0.0);
        assert!(outbox.wait_stats.waiting.is_some());
        outbox.detach(false);
        take(&mut outbox, 0.5);
        assert_eq!(outbox.wait_stats.waiting, None);
    }

    #[test]
    fn text_in_the_merge_window_does_not_count_as_held() {
        let mut outbox = outbox(MERGING);
        for _ in 0..3 {
            append(&mut outbox, &[("stream", "p", &text("a"))], 0.0);
            take(&mut outbox, 0.0);
        }
        assert!(!outbox.iopub.is_empty());
        assert_eq!(outbox.wait_stats.waiting, None);
    }

    #[test]
    fn a_resent_message_counts_as_written_again() {
        let mut outbox = outbox(MERGING);
        append(&mut outbox, &[("display_data", "p", "{}"); 2], 0.0);
        take(&mut outbox, 0.0);
        let once = outbox.wait_stats.written;
        assert_eq!(once.messages, 2);
        assert_eq!(once.bytes, outbox.unacknowledged());
        outbox.attach(Protocol::V1);
        take(&mut outbox, 0.0);
        assert_eq!(
            (outbox.wait_stats.written.messages, outbox.wait_stats.written.bytes),
            (4, 2 * once.bytes)
        );
        assert_eq!(outbox.stats().cursors.sent, 2);
    }
}

//! What an outbox's waiting looks like from outside: for what, since when, how often; and what was written in all.
//!
//! Must not decide anything: `leave` decides and says why. Cost: integer adds.

use super::entry::{Count, Reason};

/// The waiting and the writing of one outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Watch {
    /// For what the next IOPub message waits, and since when: the limits (`Rate`) or the client (`SlowClient`).
    pub waiting: Option<(Reason, f64)>,
    /// How often it began to wait for the limits.
    pub holds: u64,
    /// How often it began to wait for the client to acknowledge.
    pub stalls: u64,
    /// Messages that were written, as often as they were, and their bytes on the wire.
    pub written: Count,
    /// What the present `take` has met.
    pub met: Option<Reason>,
}

impl Watch {
    /// A `take` is over, and nothing more leaves because of what was met.
    pub fn settle(&mut self, now: f64) {
        let met = self.met.take();
        if met == self.waiting.map(|(reason, _)| reason) {
            return;
        }
        self.waiting = met.map(|reason| (reason, now));
        match met {
            Some(Reason::Rate) => self.holds += 1,
            Some(Reason::SlowClient) => self.stalls += 1,
            _ => {}
        }
    }

    /// Nobody is there to wait for.
    pub fn detach(&mut self) {
        self.waiting = None;
    }

    /// A message was written.
    pub fn write(&mut self, messages: u64, bytes: u64) {
        self.written.add(Count { messages, bytes });
    }
}

#[cfg(test)]
mod tests {
    use crate::client_wire::Protocol;
    use crate::flow::entry::Reason;
    use crate::flow::outbox::Outbox;
    use crate::flow::terms::Terms;
    use crate::flow::testing::{HELD, MERGING, append, take, text};

    fn outbox(terms: Terms) -> Outbox {
        Outbox::new(Protocol::V1, terms)
    }

    #[test]
    fn output_over_the_limits_is_held_once_however_often_it_is_asked_for() {
        let mut outbox = outbox(HELD);
        for number in 0..4 {
            append(&mut outbox, &[("display_data", "p", "{}")], f64::from(number));
        }
        for now in [0.0, 0.1, 1.0, 1.1] {
            take(&mut outbox, now);
        }
        assert_eq!(outbox.watch.waiting, None, "all of it has left");
        assert_eq!((outbox.watch.holds, outbox.watch.stalls), (1, 0));
        append(&mut outbox, &[("display_data", "p", "{}")], 1.2);
        take(&mut outbox, 1.2);
        assert_eq!(outbox.watch.waiting, Some((Reason::Rate, 1.2)));
        assert_eq!(outbox.watch.holds, 2);
    }

    #[test]
    fn a_client_that_does_not_acknowledge_stalls_once() {
        let mut outbox = outbox(Terms {
            high_water: 1,
            ..MERGING
        });
        for now in [0.0, 1.0, 2.0] {
            append(&mut outbox, &[("display_data", "p", "{}")], now);
            take(&mut outbox, now);
        }
        assert_eq!(outbox.watch.waiting, Some((Reason::SlowClient, 1.0)));
        assert_eq!((outbox.watch.holds, outbox.watch.stalls), (0, 1));
        outbox.acknowledge_all();
        take(&mut outbox, 3.0);
        assert_eq!(
            outbox.watch.waiting,
            Some((Reason::SlowClient, 1.0)),
            "one has left, and one waits still"
        );
        outbox.acknowledge_all();
        take(&mut outbox, 4.0);
        assert_eq!(outbox.watch.waiting, None);
        outbox.detach(false);
        assert_eq!(outbox.watch.waiting, None);
    }

    #[test]
    fn a_detached_session_waits_for_nobody() {
        let mut outbox = outbox(HELD);
        append(&mut outbox, &[("display_data", "p", "{}"); 3], 0.0);
        take(&mut outbox, 0.0);
        assert!(outbox.watch.waiting.is_some());
        outbox.detach(false);
        take(&mut outbox, 0.5);
        assert_eq!(outbox.watch.waiting, None);
    }

    #[test]
    fn text_that_waits_for_more_of_it_is_not_held() {
        let mut outbox = outbox(MERGING);
        for _ in 0..3 {
            append(&mut outbox, &[("stream", "p", &text("a"))], 0.0);
            take(&mut outbox, 0.0);
        }
        assert!(!outbox.iopub.is_empty());
        assert_eq!(outbox.watch.waiting, None);
    }

    #[test]
    fn what_is_written_again_counts_again() {
        let mut outbox = outbox(MERGING);
        append(&mut outbox, &[("display_data", "p", "{}"); 2], 0.0);
        take(&mut outbox, 0.0);
        let once = outbox.watch.written;
        assert_eq!(once.messages, 2);
        assert_eq!(once.bytes, outbox.unacknowledged());
        outbox.attach(Protocol::V1);
        take(&mut outbox, 0.0);
        assert_eq!(
            (outbox.watch.written.messages, outbox.watch.written.bytes),
            (4, 2 * once.bytes)
        );
        assert_eq!(outbox.stats().counts.sent, 2);
    }
}

use super::*;
use crate::flow::testing::{MERGING, append, assert_balanced, notice_of, take};

fn announced(outbox: &mut Outbox) -> usize {
    let out = take(outbox, 0.0);
    out.iter().filter(|content| content.contains("restarting")).count()
}

fn announcing() -> Outbox {
    let mut outbox = Outbox::new(Protocol::V1, MERGING);
    outbox.announce(Opcode::Binary, &notice_of("restarting"));
    outbox
}

#[test]
fn a_written_announcement_may_not_have_arrived_after_a_lost_connection_and_has_after_a_close() {
    for heard in [false, true] {
        let mut outbox = announcing();
        assert_eq!(announced(&mut outbox), 1);
        assert_eq!(outbox.detach(heard), !heard);
        assert!(!outbox.attach(Protocol::V1), "that was returned already");
        assert_eq!(announced(&mut outbox), 0, "the caller repeats it");
        let cursors = outbox.stats().cursors;
        assert_eq!((cursors.sent, cursors.acknowledged), (1, 1));
        outbox.announce(Opcode::Binary, &notice_of("restarting"));
        assert_eq!(announced(&mut outbox), 1);
        assert!(
            outbox.attach(Protocol::V1),
            "another WebSocket in its place is a lost connection"
        );
    }
}

#[test]
fn a_close_does_not_acknowledge_unwritten_announcements_or_other_messages() {
    let mut outbox = announcing();
    append(&mut outbox, &[("error", "p", "{}")], 0.0);
    assert!(!outbox.detach(true));
    outbox.attach(Protocol::V1);
    assert_eq!(take(&mut outbox, 0.0).len(), 2);
    outbox.detach(true);
    outbox.attach(Protocol::V1);
    assert_eq!(take(&mut outbox, 0.0), ["{}"], "the announcement is not sent again");
}

#[test]
fn a_withdrawn_announcement_is_neither_sent_nor_resent() {
    for written in [false, true] {
        let mut outbox = announcing();
        if written {
            assert_eq!(announced(&mut outbox), 1);
        }
        assert!(outbox.withdraw_announcements());
        assert!(!outbox.withdraw_announcements());
        assert!(!outbox.detach(false));
        outbox.attach(Protocol::V1);
        assert_eq!(announced(&mut outbox), 0);
        let stats = outbox.stats();
        assert_eq!((stats.waiting, stats.cursors.appended), (0, stats.cursors.sent));
        outbox.announce(Opcode::Binary, &notice_of("restarting"));
        assert_eq!(announced(&mut outbox), 1, "a new announcement is sent");
        assert!(outbox.detach(false));
    }
}

/// An outbox without a client, whose two messages and announcement are in these blocks on the disk, as far as they are spilled.
fn spilled() -> (Outbox, Vec<(u64, Bytes)>) {
    let mut outbox = Outbox::new(Protocol::V1, MERGING);
    outbox.detach(false);
    append(&mut outbox, &[("error", "p", "{}"), ("error", "p", "{}")], 0.0);
    outbox.announce(Opcode::Binary, &notice_of("restarting"));
    let mut blocks = Vec::new();
    while let Some((id, block)) = outbox.spill(1) {
        assert!(outbox.written(id));
        blocks.push((id, Bytes::from(block.concat())));
    }
    (outbox, blocks)
}

#[test]
fn a_spilled_announcement_is_still_an_announcement() {
    for withdrawn in [false, true] {
        let (mut outbox, blocks) = spilled();
        if withdrawn {
            outbox.withdraw_announcements();
        }
        outbox.attach(Protocol::V1);
        let mut told = announced(&mut outbox);
        for (id, block) in blocks {
            assert!(outbox.restore(id, &block));
            told += announced(&mut outbox);
        }
        assert_eq!(told, usize::from(!withdrawn));
    }
}

#[test]
fn a_spilled_announcement_that_is_dropped_is_no_lost_output() {
    let (mut outbox, _) = spilled();
    outbox.clear(Reason::Closed);
    assert_balanced(&outbox);
    assert_eq!(outbox.stats().cursors.appended, 2);
}

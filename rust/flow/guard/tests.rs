use super::*;
use crate::client_wire::Protocol;
use crate::flow::config::Config;
use crate::flow::entry::Reason;
use crate::flow::leave::Taken;
use crate::flow::testing::{append, append_on};

fn guarded() -> Guarded {
    let mut outbox = Outbox::new(Protocol::V1, Config::UNLIMITED);
    append(
        &mut outbox,
        &[("error", "p", "1"), ("error", "p", "2"), ("error", "p", "3")],
        0.0,
    );
    append_on(&mut outbox, "shell", &[("reply", "p", "4")], 0.0);
    assert!(matches!(outbox.take(0.0, 1), Taken::Frames(_)));
    Guarded::new(outbox)
}

#[test]
fn an_outbox_whose_work_panics_is_empty_and_does_no_more_work() {
    for left_behind in [
        |_: &mut Outbox| {},
        |outbox: &mut Outbox| outbox.cursors.sent = u64::MAX,
    ] {
        let mut guarded = guarded();
        let before = guarded.with(|outbox| outbox.stats()).unwrap();
        let failed = guarded.with(|outbox| {
            left_behind(outbox);
            panic!("halfway");
        });
        assert_eq!(failed, Err(Failed));
        assert_eq!(
            guarded.with(|outbox| outbox.ping_due(0.0)),
            Err(Failed),
            "later calls fail too"
        );
        let stats = guarded.always(|outbox| outbox.stats()).unwrap();
        assert_eq!((stats.memory, stats.waiting, stats.unacknowledged), (0, 0, 0));
        assert_eq!(stats.cursors.appended, before.cursors.appended);
        assert!(guarded.always(|outbox| outbox.detach(false)).is_ok());
    }
}

#[test]
fn unsent_messages_of_a_failed_outbox_count_as_dropped() {
    let mut guarded = guarded();
    guarded.fail();
    let stats = guarded.always(|outbox| outbox.stats()).unwrap();
    assert_eq!(
        (stats.cursors.sent, stats.left_out[Reason::ALL.len() - 1].messages),
        (1, 3)
    );
}

#[test]
fn an_outbox_that_fails_while_it_is_cleared_is_empty() {
    let mut guarded = guarded();
    assert_eq!(guarded.always(|_| panic!("halfway")), Err::<(), _>(Failed));
    assert_eq!(guarded.always(|outbox| outbox.memory()), Ok(0));
}

use super::*;
use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::flow::frame::Frame;
use crate::flow::pacing::Class;

fn push(sent: &mut Sent, lane: Lane, len: usize, now: f64) {
    let frame = Frame::own(Opcode::Binary, &vec![0; len]);
    sent.push(lane, Entry::plain(frame, Protocol::V1, Class::Message), now);
}

#[test]
fn a_ping_is_due_at_once_and_then_after_so_many_bytes_or_so_much_time() {
    let mut sent = Sent::default();
    assert_eq!((sent.ping_due(0.0), sent.ping_at()), (None, None));
    push(&mut sent, Lane::Iopub, 10, 5.0);
    assert_eq!((sent.ping_at(), sent.ping_due(5.0)), (Some(5.0), Some(1)));
    push(&mut sent, Lane::Iopub, 10, 5.0);
    push(&mut sent, Lane::Iopub, 10, 5.03125);
    assert_eq!(
        (sent.ping_due(5.031_25), sent.ping_at()),
        (None, Some(5.13)),
        "alone if no message comes"
    );
    assert_eq!(sent.ping_due(5.0625), Some(2), "with a message that comes");
    push(&mut sent, Lane::Iopub, 10, 5.125);
    assert_eq!((sent.ping_due(5.125), sent.ping_at()), (None, Some(5.125 + 0.13)));
    assert_eq!(sent.ping_due(5.255), Some(3));
    push(&mut sent, Lane::Iopub, 10, 6.0);
    assert_eq!(sent.ping_due(6.0), Some(4), "the last ping is long ago");
    assert_eq!(
        (sent.ping_due(9.0), sent.ping_at()),
        (None, None),
        "all messages have a ping"
    );
    push(&mut sent, Lane::Replies, 1, 7.0);
    assert_eq!(sent.ping_due(7.0), Some(5));
    push(&mut sent, Lane::Replies, 64 * 1024, 7.0);
    assert_eq!(sent.ping_at(), Some(7.0));
    assert_eq!(sent.ping_due(7.0), Some(6));
    push(&mut sent, Lane::Replies, 1, 7.0);
    assert_eq!(
        sent.ping_due(-1e9),
        Some(7),
        "a clock that runs backwards delays nothing"
    );
    push(&mut sent, Lane::Replies, 1, -1e9);
    assert_eq!((sent.ping_due(-1e9), sent.ping_due(0.0)), (None, Some(8)));
}

#[test]
fn a_pong_acknowledges_what_was_written_before_its_ping() {
    let mut sent = Sent::default();
    for round in 0..3 {
        push(&mut sent, Lane::Iopub, 10, 0.0);
        push(&mut sent, Lane::Replies, 20, 0.0);
        assert_eq!(sent.ping_due(1.0), Some(round + 1));
    }
    push(&mut sent, Lane::Iopub, 10, 0.0);
    assert_eq!((sent.bytes(Lane::Iopub), sent.bytes(Lane::Replies)), (48, 66));
    assert_eq!(sent.acknowledge(2), Some(4));
    assert_eq!((sent.bytes(Lane::Iopub), sent.bytes(Lane::Replies)), (24, 22));
    for nothing_new in [0, 1, 2, 4, u64::MAX] {
        assert_eq!(sent.acknowledge(nothing_new), None);
    }
    assert_eq!(sent.acknowledge(3), Some(2));
    assert_eq!(sent.acknowledge_all(), 1);
    assert_eq!(
        (sent.memory(), sent.bytes(Lane::Iopub), sent.bytes(Lane::Replies)),
        (0, 0, 0)
    );
}

#[test]
fn an_old_pong_does_not_acknowledge_removed_messages() {
    let mut sent = Sent::default();
    push(&mut sent, Lane::Iopub, 1, 0.0);
    push(&mut sent, Lane::Replies, 2, 0.0);
    assert_eq!(sent.ping_due(1.0), Some(1));
    let taken: Vec<_> = sent.take_all().map(|(lane, entry)| (lane, entry.frame.len())).collect();
    assert_eq!(taken, [(Lane::Replies, 4), (Lane::Iopub, 3)], "the newest first");
    assert_eq!(sent.memory(), 0);
    push(&mut sent, Lane::Iopub, 1, 1.0);
    assert_eq!(sent.acknowledge(1), None);
    assert_eq!(sent.ping_due(2.0), Some(2), "numbers are not used again");
    assert_eq!(sent.acknowledge(2), Some(1));
}

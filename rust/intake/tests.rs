//! The receive and send loops with the fake libzmq.

use std::ffi::c_int;
use std::ops::Range;
use std::sync::Arc;

use libc::{EAGAIN, EINTR, EINVAL};

use super::fake::{Event, FAKE, FakeSocket, OPEN, SentFrames};
use super::{Budget, DONTWAIT, KEEP_FROM, Libzmq, Received, SNDMORE, Stop, Unavailable};

const ETERM: c_int = 156_384_765;
const ALL: Budget = Budget {
    messages: usize::MAX,
    bytes: usize::MAX,
};

impl Received {
    fn messages(&self) -> Vec<Vec<&[u8]>> {
        let frames = |range: &Range<usize>| self.frames.get(range.clone()).iter().map(AsRef::as_ref).collect();
        self.frames.messages().iter().map(frames).collect()
    }

    fn count(&self) -> usize {
        self.frames.messages().len()
    }
}

// --- receiving -------------------------------------------------------------------------------------------------------

#[test]
fn whole_messages_arrive_in_order_until_nothing_waits() {
    let large = vec![1; 70_000];
    let messages: [&[&[u8]]; 4] = [&[b"a", b"", b"c"], &[b""], &[&[7; 40]], &[b"x", &large, b"z"]];
    let mut socket = FakeSocket::with(&messages);
    let received = socket.receive(ALL);
    assert_eq!(received.messages(), messages);
    assert_eq!(received.stop, Stop::Drained);
    assert_eq!(socket.receive(ALL).count(), 0);
}

#[test]
fn only_large_frames_keep_their_content_and_all_are_closed_once() {
    let (below, at) = (vec![1; KEEP_FROM - 1], vec![2; KEEP_FROM]);
    let mut socket = FakeSocket::with(&[&[b"small", &below, &at], &[&at, b"small"]]);
    let received = socket.receive(ALL);
    assert_eq!((socket.contents_alive(), OPEN.get()), (2, 2));
    assert_eq!(
        received.messages(),
        [vec![&b"small"[..], &below, &at], vec![&at, b"small"]]
    );
    drop(received);
    assert_eq!((socket.contents_alive(), OPEN.get()), (0, 0));
}

#[test]
fn a_large_frame_outlives_the_socket_and_is_closed_on_another_thread() {
    let mut socket = FakeSocket::with(&[&[&[9; KEEP_FROM]]]);
    let alive = Arc::downgrade(&socket.alive);
    let frame = socket.receive(ALL).frames.into_vec().remove(0);
    drop(socket);
    let shared = frame.clone();
    let reader = std::thread::spawn(move || shared.iter().map(|&byte| usize::from(byte)).sum::<usize>());
    assert_eq!(frame.len() * 9, reader.join().unwrap());
    assert!(alive.upgrade().is_some());
    std::thread::spawn(move || drop(frame)).join().unwrap();
    assert!(alive.upgrade().is_none());
}

#[test]
fn a_budget_of_messages_ends_the_loop_between_messages() {
    let mut socket = FakeSocket::with(&[&[b"1", b"1"], &[b"2", b"2"], &[b"3"]]);
    let received = socket.receive(Budget { messages: 2, ..ALL });
    assert_eq!((received.count(), received.stop), (2, Stop::BudgetSpent));
    let rest = socket.receive(Budget { messages: 2, ..ALL });
    assert_eq!((rest.messages(), rest.stop), (vec![vec![&b"3"[..]]], Stop::Drained));
}

#[test]
fn a_budget_of_bytes_lets_the_message_that_spends_it_end() {
    let mut socket = FakeSocket::with(&[&[b"123"], &[b"456", &[0; 100]], &[b"7"]]);
    let received = socket.receive(Budget { bytes: 4, ..ALL });
    assert_eq!((received.count(), received.stop), (2, Stop::BudgetSpent));
}

#[test]
fn a_budget_of_zero_still_receives_one_message() {
    let mut socket = FakeSocket::with(&[&[b"1"], &[b"2"]]);
    let received = socket.receive(Budget { messages: 0, bytes: 0 });
    assert_eq!((received.count(), received.stop), (1, Stop::BudgetSpent));
}

#[test]
fn an_error_keeps_the_whole_messages_before_it() {
    let mut socket = FakeSocket::with(&[&[b"1"]]);
    socket.fails(ETERM);
    let received = socket.receive(ALL);
    assert_eq!(
        (received.messages(), received.stop),
        (vec![vec![&b"1"[..]]], Stop::Failed(ETERM))
    );
}

#[test]
fn an_error_inside_a_message_frees_its_frames() {
    let mut socket = FakeSocket::with(&[&[b"whole"]]);
    socket.incoming.push_back(Event::Frame(b"cut".to_vec(), true));
    socket.incoming.push_back(Event::Frame(vec![0; KEEP_FROM], true));
    socket.fails(ETERM);
    let received = socket.receive(ALL);
    assert_eq!((received.count(), received.stop), (1, Stop::Failed(ETERM)));
    assert_eq!((socket.contents_alive(), OPEN.get()), (0, 0));
}

#[test]
fn an_interrupted_call_is_repeated() {
    let mut socket = FakeSocket::default();
    socket.fails(EINTR);
    socket.fails(EINTR);
    socket.incoming.push_back(Event::Frame(b"a".to_vec(), true));
    socket.fails(EINTR);
    socket.incoming.push_back(Event::Frame(b"b".to_vec(), false));
    let received = socket.receive(ALL);
    assert_eq!(
        (received.messages(), received.stop),
        (vec![vec![&b"a"[..], b"b"]], Stop::Drained)
    );
}

// --- sending ---------------------------------------------------------------------------------------------------------

fn answered(answers: &[c_int], frames: &[&[u8]]) -> (Result<bool, c_int>, SentFrames) {
    let mut socket = FakeSocket {
        answers: answers.iter().copied().collect(),
        ..FakeSocket::default()
    };
    let result = FAKE.send(socket.handle(), frames);
    (result, socket.sent)
}

#[test]
fn all_frames_but_the_last_say_that_more_follow() {
    let (result, sent) = answered(&[], &[b"a", b"", b"c"]);
    assert_eq!(result, Ok(true));
    let more = DONTWAIT | SNDMORE;
    assert_eq!(sent, [(b"a".to_vec(), more), (vec![], more), (b"c".to_vec(), DONTWAIT)]);
}

#[test]
fn a_send_that_would_block_sends_nothing() {
    for frames in [&[&b"a"[..], b"b"][..], &[b"a"]] {
        let (result, sent) = answered(&[EAGAIN], frames);
        assert_eq!((result, sent.len()), (Ok(false), 0));
    }
}

#[test]
fn after_a_disconnect_inside_a_message_its_other_frames_are_still_passed() {
    let (result, sent) = answered(&[0, EAGAIN], &[b"a", b"b", b"c", b"d"]);
    assert_eq!(result, Ok(false));
    assert_eq!(
        sent.iter().map(|(frame, _)| &frame[..]).collect::<Vec<_>>(),
        [b"a", b"c", b"d"]
    );
    assert_eq!(answered(&[0, EAGAIN], &[b"a", b"b"]).0, Ok(false));
}

#[test]
fn a_send_reports_errors_and_repeats_interrupted_calls() {
    assert_eq!(answered(&[ETERM], &[b"a"]).0, Err(ETERM));
    assert_eq!(answered(&[0, ETERM], &[b"a", b"b", b"c"]).0, Err(ETERM));
    assert_eq!(
        answered(&[EINTR, 0, EINTR], &[b"a", b"b"]),
        (Ok(true), answered(&[], &[b"a", b"b"]).1)
    );
    assert_eq!(answered(&[], &[]).0, Err(EINVAL));
}

// --- finding libzmq --------------------------------------------------------------------------------------------------

#[test]
#[cfg_attr(miri, ignore = "Miri has no dlopen")]
fn a_library_outside_this_process_is_not_loaded() {
    for path in ["/nonexistent.so", "/usr/lib\0/x.so"] {
        assert_eq!(Libzmq::load(path.into()).err(), Some(Unavailable::NotLoaded));
    }
}

#[test]
fn each_reason_is_a_sentence_of_its_own() {
    let reasons = [
        Unavailable::NotLoaded,
        Unavailable::NoSymbol(c"zmq_msg_recv"),
        Unavailable::Version(5, 0, 1),
        Unavailable::Platform,
    ];
    let mut sentences: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    assert!(sentences[1].ends_with("libzmq's zmq_msg_recv") && sentences[2].contains("5.0.1"));
    sentences.dedup();
    assert_eq!(sentences.len(), 4);
}

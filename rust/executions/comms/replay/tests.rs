//! What a page gets, in both parts, and in an outbox of either subprotocol.

use super::*;
use crate::client_wire::{ClientMessage, Protocol, legacy, v1};
use crate::executions::comms::tests::opening;
use crate::executions::journal::Journal;
use crate::executions::testing::{UNLIMITED, feed, journal};
use crate::flow::config;
use crate::flow::leave::Taken;
use crate::flow::outbox::Outbox;
use crate::flow::testing::text;
use crate::flow::transcode;
use crate::json;

const VOICE: Voice<'_> = Voice {
    session: "kernel",
    ids: "new",
    date: "2026-01-01T00:00:00Z",
    notice: "[{messages} and {bytes}]",
};

/// Type and content of each message.
type Shown = Vec<(String, String)>;

/// Reads the messages. Checks what all have in common.
fn shown(replay: &Replay<'_>) -> Shown {
    let decoded = replay.messages.iter().map(|entry| transcode::decode(entry).unwrap());
    let one = |message: ClientMessage| {
        let field =
            |part: usize, name: &[u8]| json::decode_string(json::member(&message.parts[part], name).unwrap()).unwrap();
        assert_eq!(field(1, b"msg_id"), "request");
        assert_eq!(field(1, b"session"), "page");
        assert_eq!(field(0, b"session"), "kernel");
        assert_eq!(message.channel.as_deref(), Some("iopub"));
        let content = String::from_utf8(message.parts[3].to_vec()).unwrap();
        (field(0, b"msg_type").into_owned(), content)
    };
    decoded.map(one).collect()
}

fn both(comms: &mut Comms) -> (Shown, Counts, Shown) {
    let (first, counts) = open(comms, &Owner::All, "request", "page", VOICE);
    let first = shown(&first);
    let second = shown(&fill(comms, &Owner::All, "request", "page", VOICE));
    (first, counts, second)
}

fn change(id: &str, state: &str) -> (String, String) {
    let content = format!(r#"{{"comm_id":"{id}","data":{{"method":"update","state":{{{state}}},"buffer_paths":[]}}}}"#);
    ("comm_msg".to_owned(), content)
}

fn opened(id: &str, state: &str) -> (String, String) {
    let content = format!(
        r#"{{"comm_id":"{id}","target_name":"jupyter.widget","data":{{"state":{{{state}}},"buffer_paths":[]}}}}"#
    );
    ("kernelws_comm_open".to_owned(), content)
}

fn own(msg_type: &str, content: &str) -> (String, String) {
    (msg_type.to_owned(), content.to_owned())
}

#[test]
fn widgets_are_opened_and_circles_are_closed() {
    let mut comms = Comms::default();
    comms.take(opening("a", r#"{"b":"IPY_MODEL_b","value":1}"#), &Owner::All, true);
    comms.take(opening("b", r#"{"a":"IPY_MODEL_a"}"#), &Owner::All, true);
    comms.take(opening("c", r#"{"x":"IPY_MODEL_gone"}"#), &Owner::All, true);
    comms.take(opening("d", "7"), &Owner::All, true);
    comms.take(opening("e", "{}"), &Owner::Nobody, true);
    let (first, counts, second) = both(&mut comms);
    assert_eq!(
        first,
        [
            opened("b", ""),
            opened("a", r#""b":"IPY_MODEL_b","value":1"#),
            change("b", r#""a":"IPY_MODEL_a""#),
            own("kernelws_widgets", r#"{"captures":[]}"#),
        ]
    );
    let expected = Counts {
        replayed: 2,
        evicted: 0,
        unknown: 2,
    };
    assert_eq!(counts, expected);
    assert_eq!(second, [own("kernelws_widgets_end", "{}")]);
}

fn with_capture(request: &str) -> Journal {
    let mut journal = journal(UNLIMITED, &["p"]);
    let open = r#"{"comm_id":"out","target_name":"jupyter.widget","data":{"state":{"_model_name":"OutputModel","msg_id":"","outputs":[]}}}"#;
    let begin = r#"{"comm_id":"out","data":{"method":"update","state":{"msg_id":"p"}}}"#;
    let end = format!(r#"{{"comm_id":"out","data":{{"method":"update","state":{{"msg_id":"{request}"}}}}}}"#);
    feed(&mut journal, &[("comm_open", "p", open), ("comm_msg", "p", begin)]);
    feed(
        &mut journal,
        &[("stream", "p", &text("a")), ("stream", "p", &text("b"))],
    );
    feed(&mut journal, &[("comm_msg", "p", &end)]);
    journal
}

#[test]
fn a_widget_that_captures_gets_its_output_and_then_captures_on() {
    let mut journal = with_capture("p");
    let (first, _, second) = both(&mut journal.comms);
    assert_eq!(
        first,
        [
            opened("out", r#""_model_name":"OutputModel","outputs":[]"#),
            change("out", r#""msg_id":"""#),
            own("kernelws_widgets", r#"{"captures":["p"]}"#),
        ]
    );
    assert_eq!(
        second,
        [
            change("out", r#""outputs":[]"#),
            change("out", r#""msg_id":"request""#),
            own("stream", &text("ab")),
            change("out", r#""msg_id":"""#),
            change("out", r#""msg_id":"p""#),
            own("kernelws_widgets_end", "{}"),
        ]
    );
    let log = journal.comms.of(&Owner::All)[0].captured.as_ref().unwrap();
    assert_eq!(log.appended().messages, 2, "a replay consumes nothing");
}

#[test]
fn a_widget_that_has_captured_does_not_capture_on() {
    let mut journal = with_capture("");
    let (first, _, second) = both(&mut journal.comms);
    assert_eq!(
        first[0],
        opened("out", r#""_model_name":"OutputModel","msg_id":"","outputs":[]"#)
    );
    assert_eq!(first.len(), 2);
    assert_eq!(second.len(), 5);
    assert_eq!(second[3], change("out", r#""msg_id":"""#));
}

#[test]
fn buffers_reach_a_client_of_either_subprotocol() {
    let mut comms = Comms::default();
    let content = r#"{"comm_id":"c","target_name":"jupyter.widget","data":{"state":{},"buffer_paths":[["x"]]}}"#;
    let buffers = vec![Bytes::from("the buffer")];
    comms.take(
        crate::executions::comms::tests::message("comm_open", content, buffers),
        &Owner::All,
        true,
    );
    for protocol in [Protocol::V1, Protocol::Legacy] {
        let (made, _) = open(&comms, &Owner::All, "request", "page", VOICE);
        let mut outbox = Outbox::new(protocol, config::Config::UNLIMITED);
        outbox.append_replay(made.messages, &made.id, &made.parent);
        let Taken::Frames(frames) = outbox.take_messages(0.0, 1 << 20) else {
            panic!("nothing to send")
        };
        let payload = frames.pieces[0].shared_payload();
        let first = match protocol {
            Protocol::V1 => v1::decode(&payload, false, 1),
            Protocol::Legacy => legacy::decode_binary(&payload, 1),
        };
        let first = first.unwrap();
        assert_eq!(first.parts[2], r#"{"version":"2.1.0"}"#);
        assert_eq!(first.parts[4..], ["the buffer"], "{protocol:?}");
    }
}

#[test]
fn what_cannot_be_opened_is_counted() {
    let mut comms = Comms::default();
    for (id, state) in [
        ("a", "{}"),
        ("b", r#"{"x":"IPY_MODEL_gone"}"#),
        ("c", r#"{"x":"IPY_MODEL_b"}"#),
        ("d", "7"),
    ] {
        comms.take(opening(id, state), &Owner::All, true);
    }
    let (_, counts, _) = both(&mut comms);
    assert_eq!((counts.replayed, counts.evicted, counts.unknown), (1, 0, 3));
}

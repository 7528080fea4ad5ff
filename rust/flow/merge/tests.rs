use super::*;
use crate::client_wire::{ClientMessage, Protocol};
use crate::flow::config::Config;
use crate::flow::leave::Taken;
use crate::flow::outbox::Outbox;
use crate::flow::testing::{self, Line, MERGING, append, decode, take, text, update};

/// The contents of `lines` after they were merged without a client.
fn merged_for(protocol: Protocol, lines: &[Line<'_>]) -> Vec<ClientMessage> {
    let mut outbox = Outbox::new(protocol, MERGING);
    outbox.detach(false);
    append(&mut outbox, lines, 0.0);
    outbox.attach(protocol);
    // Otherwise the last one would wait for the merge window
    outbox.configure(Config::UNLIMITED);
    let Taken::Frames(frames) = outbox.take_messages(0.0, u64::MAX) else {
        panic!("nothing left");
    };
    let stats = outbox.stats();
    assert_eq!(stats.merged, wide(lines.len() - frames.pieces.len()));
    assert_eq!(
        (stats.cursors.appended, stats.cursors.sent),
        (wide(lines.len()), wide(lines.len()))
    );
    frames.pieces.iter().map(decode).collect()
}

fn merged(lines: &[Line<'_>]) -> Vec<String> {
    let both = [Protocol::V1, Protocol::Legacy].map(|protocol| {
        let messages = merged_for(protocol, lines).into_iter();
        messages
            .map(|message| String::from_utf8(message.parts[3].to_vec()).unwrap())
            .collect::<Vec<_>>()
    });
    let [v1, legacy] = both;
    assert_eq!(v1, legacy);
    v1
}

/// The contents of two texts after they were merged, if possible.
fn merged_texts(first: &str, second: &str) -> Vec<String> {
    merged(&[("stream", "p", &text(first)), ("stream", "p", &text(second))])
}

#[test]
fn a_merged_message_is_the_first_one_with_all_of_the_text() {
    for protocol in [Protocol::V1, Protocol::Legacy] {
        let contents = [text(r"a\n"), text(""), text(r#"\"\u00e9\\"#), text("é😀")];
        let lines: Vec<Line<'_>> = contents.iter().map(|content| ("stream", "p", &content[..])).collect();
        let [message] = &merged_for(protocol, &lines)[..] else {
            panic!("not one message");
        };
        let alone = &merged_for(protocol, &lines[..1])[0];
        assert_eq!(message.parts[..3], alone.parts[..3]);
        assert_eq!(message.channel.as_deref(), Some("iopub"));
        assert_eq!(message.parts[3], text(r#"a\n\"\u00e9\\é😀"#));
    }
}

#[test]
fn spaces_and_the_order_of_members_are_those_of_the_first() {
    let first = r#"{ "text" : "a" , "name" : "stdout" }"#;
    assert_eq!(
        merged(&[("stream", "p", first), ("stream", "p", &text("b"))]),
        [r#"{ "text" : "ab" , "name" : "stdout" }"#]
    );
}

#[test]
fn only_neighbours_with_the_same_parent_and_name_are_merged() {
    let (a, err) = (text("a"), r#"{"name":"stderr","text":"e"}"#);
    for other in [
        ("stream", "q", &a[..]),
        ("stream", "p", err),
        ("error", "p", "{}"),
        ("clear_output", "p", "{}"),
        ("display_data", "p", "{}"),
    ] {
        let lines = [("stream", "p", &a[..]), other, ("stream", "p", &a)];
        assert_eq!(merged(&lines), [&a[..], other.2, &a], "{other:?}");
    }
}

#[test]
fn a_content_that_could_change_its_meaning_is_not_merged() {
    let a = text("a");
    for odd in [
        r#"{"name":"stdout","text":"a","more":1}"#,
        r#"{"name":"stdout","text":"a","text":"b"}"#,
        r#"{"name":"stdout","name":"stdout","text":"a"}"#,
        r#"{"n\u0061me":"stdout","text":"a"}"#,
        r#"{"name":"stdout","text":1}"#,
        r#"{"name":null,"text":"a"}"#,
        r#"{"text":"a"}"#,
        r#"{"name":"stdout"}"#,
        "{}",
    ] {
        let lines = [("stream", "p", &a[..]), ("stream", "p", odd), ("stream", "p", &a)];
        assert_eq!(merged(&lines), [&a, odd, &a]);
    }
}

#[test]
fn a_message_without_a_parent_is_left_alone() {
    let mut outbox = Outbox::new(Protocol::V1, MERGING);
    outbox.detach(false);
    for parent in ["{}", "null", r#"{"msg_id":1}"#] {
        let batch = testing::batch_of_parents("iopub", &[("stream", parent, &text("a")[..]); 2]);
        outbox.append(&testing::encoded(&batch, Protocol::V1), 0, 2, 0.0);
    }
    assert_eq!(outbox.stats().merged, 0);
}

#[test]
fn merging_forms_no_surrogate_pair() {
    for (first, second) in [
        (r"\ud83d", r"\ude00"),
        (r"a\uDBFF", r"\uDC00b"),
        // The backslash is escaped, so these could be merged, but the check would cost more than it gains
        (r"\\ud83d", r"\ude00"),
    ] {
        assert_eq!(merged_texts(first, second).len(), 2, "{first} {second}");
    }
    for (first, second) in [
        (r"\ud83d", "a"),
        (r"\ud83d", r"\ud83d"),
        (r"\u0041", r"\ude00"),
        (r"\ud83d\ude00", r"\ude00"),
    ] {
        assert_eq!(merged_texts(first, second), [text(&format!("{first}{second}"))]);
    }
    let lines = [r"\ud83d", "", r"\ude00"].map(text);
    let lines: Vec<Line<'_>> = lines.iter().map(|content| ("stream", "p", &content[..])).collect();
    assert_eq!(
        merged(&lines),
        [text(r"\ud83d"), text(r"\ude00")],
        "an empty text keeps the end of the text before it"
    );
}

#[test]
fn merging_forms_no_multi_byte_character() {
    let mut entry = OpenMessage::new(stream(b"\xe2\x82"), key(2));
    assert!(!entry.seam.may_meet(b"\xac"));
    assert!(entry.seam.may_meet(b"\xe2\x82\xac"));
    assert!(entry.absorb(stream(b"\x80a"), key(2), 100).is_err());
    assert!(entry.absorb(stream(b"ab"), key(2), 100).is_ok());
    assert_eq!(entry.close().text, 4);
}

/// An entry whose whole frame is text.
fn stream(text: &[u8]) -> Entry {
    let frame = Frame::own(crate::client_wire::websocket::Opcode::Text, text);
    let mut entry = Entry::plain(frame, Protocol::Legacy, Class::Stream(wide(text.len())));
    entry.text = wide(text.len());
    entry
}

fn key(len: usize) -> MergeKey {
    MergeKey::Stream {
        name: 0..0,
        text: 2..2 + len,
    }
}

#[test]
fn text_is_merged_up_to_a_limit_and_longer_text_is_left_alone() {
    let half = text(&"x".repeat(32 * 1024));
    let lines = [("stream", "p", &half[..]); 5];
    let lens: Vec<usize> = merged(&lines).iter().map(String::len).collect();
    let one = text(&"x".repeat(64 * 1024)).len();
    assert_eq!(lens, [one, one, half.len()]);
    for len in [64 * 1024, 200_000] {
        let full = text(&"x".repeat(len));
        assert_eq!(merged(&[("stream", "p", &full[..]); 2]), [&full[..]; 2]);
    }
}

#[test]
fn of_updates_of_one_display_the_last_is_kept() {
    let [a1, a2, a3, b] = [update("a", 1), update("a", 2), update("a", 3), update("b", 4)];
    let name = "update_display_data";
    assert_eq!(
        merged(&[(name, "p", &a1), (name, "p", &a2), (name, "p", &a3)]),
        [&a3[..]]
    );
    assert_eq!(
        merged(&[(name, "p", &a1), (name, "p", &b), (name, "p", &a2)]),
        [&a1[..], &b, &a2]
    );
    assert_eq!(merged(&[(name, "p", &a1), (name, "q", &a2)]), [&a1[..], &a2]);
    assert_eq!(merged(&[("display_data", "p", &a1), (name, "p", &a2)]), [&a1[..], &a2]);
    for odd in [r#"{"transient":{"display_id":1}}"#, r#"{"transient":[]}"#, "{}"] {
        assert_eq!(merged(&[(name, "p", odd), (name, "p", odd)]), [odd, odd]);
    }
}

#[test]
fn messages_with_buffers_are_left_alone() {
    let mut outbox = Outbox::new(Protocol::V1, MERGING);
    outbox.detach(false);
    let batch = testing::batch_with_buffer("iopub", &[("stream", "p", &text("a")[..]); 2]);
    outbox.append(&testing::encoded(&batch, Protocol::V1), 0, 2, 0.0);
    assert_eq!((outbox.stats().merged, outbox.stats().text), (0, 2));
}

#[test]
fn an_outbox_without_a_merge_window_merges_nothing() {
    let mut outbox = Outbox::new(
        Protocol::V1,
        Config {
            merge_window: 0.0,
            ..MERGING
        },
    );
    outbox.detach(false);
    append(&mut outbox, &[("stream", "p", &text("a")[..]); 3], 0.0);
    outbox.attach(Protocol::V1);
    assert_eq!(take(&mut outbox, 0.0), [text("a"), text("a"), text("a")]);
}

#[test]
fn text_is_measured_as_the_kernel_wrote_it() {
    for (content, bytes) in [
        (r#"{"name":"stdout","text":"a\n"}"#, 3),
        (r#"{"text":"abc","more":1}"#, 3),
        (r#"{"text":"abc","text":"a"}"#, 3),
        (r#"{"text":1}"#, 0),
        ("{", 1),
    ] {
        assert_eq!(text_bytes(content.as_bytes()), bytes, "{content}");
    }
}

use super::*;
use crate::client_wire::Protocol;
use crate::client_wire::websocket::Opcode;
use crate::flow::config::Config;
use crate::flow::leave::Taken;
use crate::flow::outbox::Outbox;
use crate::flow::testing::{self, HELD, Line, MERGING, append, assert_balanced, assert_counted, batch, encoded, text};
use crate::proof::random::Random;

/// The rows of `lines`: the range of each, and its texts.
fn rows(lines: &[Line<'_>]) -> Vec<(Range<usize>, String)> {
    let both = [Protocol::V1, Protocol::Legacy].map(|protocol| {
        let batch = batch("iopub", lines);
        rows_of(encoded(&batch, protocol).texts(), lines.len())
    });
    assert_eq!(both[0], both[1]);
    both[0].clone()
}

fn rows_of(texts: &Texts, messages: usize) -> Vec<(Range<usize>, String)> {
    let (mut index, mut found) = (0, Vec::new());
    while index < messages {
        let end = texts.row_end(index);
        if let Some(row) = texts.fitting(index..messages, u64::MAX) {
            assert_eq!(row.count.messages, wide(end - index));
            assert_eq!(row.count.bytes, wide(row.text.len()));
            found.push((index..end, String::from_utf8(row.text.to_vec()).unwrap()));
        }
        index = end;
    }
    found
}

fn row(range: Range<usize>, texts: &str) -> (Range<usize>, String) {
    (range, texts.to_owned())
}

#[test]
fn neighbours_with_the_same_parent_and_name_are_a_row() {
    let [a, b, empty] = ["a", "b", ""].map(text);
    let err = r#"{"text":"e","name":"stderr"}"#;
    let lines = [
        ("stream", "p", &a[..]),
        ("stream", "p", &empty),
        ("stream", "p", &b),
        ("stream", "q", &b),
        ("stream", "q", err),
        ("stream", "q", err),
        ("display_data", "q", &a),
        ("stream", "q", err),
        ("clear_output", "q", "{}"),
    ];
    let expected = [row(0..3, "ab"), row(3..4, "b"), row(4..6, "ee"), row(7..8, "e")];
    assert_eq!(rows(&lines), expected);
}

#[test]
fn no_character_forms_in_a_row() {
    let contents = [r"\ud83d", "", r"\ude00", "a", r"\ude00"].map(text);
    let lines: Vec<Line<'_>> = contents.iter().map(|content| ("stream", "p", &content[..])).collect();
    assert_eq!(rows(&lines), [row(0..2, r"\ud83d"), row(2..5, r"\ude00a\ude00")]);
    let bytes =
        [&b"\xe2\x82"[..], b"", b"\xac", b"b"].map(|text| [br#"{"name":"n","text":""#, text, br#""}"#].concat());
    let batch = batch_of_contents(&bytes.map(Bytes::from));
    let texts = Texts::of(&batch, |_, _, _| true);
    let ends: Vec<usize> = (0..4).map(|index| texts.row_end(index)).collect();
    assert_eq!(ends, [2, 2, 4, 4]);
}

fn batch_of_contents(contents: &[Bytes]) -> Batch {
    let mut batch = batch("iopub", &vec![("stream", "p", "{}"); contents.len()]);
    for (index, content) in contents.iter().enumerate() {
        let parent = Bytes::from_static(br#"{"msg_id":"p"}"#);
        let header = Bytes::from_static(br#"{"msg_id":"m","msg_type":"stream"}"#);
        let parts = vec![header, parent, Bytes::from_static(b"{}"), content.clone()];
        batch.rewrite(index, parts, false).unwrap();
    }
    batch
}

#[test]
fn what_may_not_be_merged_is_in_no_row() {
    let (long, longest) = (text(&"x".repeat(merge::LARGE)), text(&"x".repeat(merge::LARGE - 27)));
    assert_eq!(longest.len(), merge::LARGE);
    for odd in [r#"{"name":"n","text":"a","more":1}"#, r#"{"name":"n"}"#, "[]", &long] {
        assert_eq!(rows(&[("stream", "p", odd)]), [], "{}", &odd[..odd.len().min(40)]);
    }
    assert_eq!(rows(&[("stream", "p", &longest)]).len(), 1);
    let batch = testing::batch_with_buffer("iopub", &[("stream", r#"{"msg_id":"p"}"#, &text("a"))]);
    assert_eq!(rows_of(encoded(&batch, Protocol::V1).texts(), 1), []);
    let batch = testing::batch_of_parents("iopub", &[("stream", "{}", &text("a"))]);
    assert_eq!(rows_of(encoded(&batch, Protocol::V1).texts(), 1), []);
}

#[test]
fn a_message_that_legacy_clients_get_in_other_words_is_in_no_row_of_theirs() {
    let invalid = Bytes::from([br#"{"name":"n","text":""#, &b"\xff"[..], br#""}"#].concat());
    let not_json = Bytes::from_static(br#"{"name":"n","text":"a"} "#).slice(..22);
    let valid = Bytes::from(text("a"));
    let batch = batch_of_contents(&[valid.clone(), invalid, not_json, valid]);
    let both = [Protocol::V1, Protocol::Legacy].map(|protocol| {
        let encoded = encoded(&batch, protocol);
        let texts = encoded.texts();
        [0, 1, 2, 3].map(|index| texts.fitting(index..index + 1, 9).is_some())
    });
    assert_eq!(both, [[true, true, false, true], [true, false, false, true]]);
}

#[test]
fn only_as_many_texts_are_returned_as_have_room() {
    let contents = ["", "ab", "cd", "", "e"].map(text);
    let lines: Vec<Line<'_>> = contents.iter().map(|content| ("stream", "p", &content[..])).collect();
    let batch = batch("iopub", &lines);
    let encoded = encoded(&batch, Protocol::V1);
    let found = |range: Range<usize>, room: u64| {
        let text = encoded.texts().fitting(range, room)?;
        Some((text.count.messages, std::str::from_utf8(text.text).unwrap().to_owned()))
    };
    let of = |messages: u64, text: &str| Some((messages, text.to_owned()));
    assert_eq!(found(0..5, 0), of(1, ""));
    assert_eq!(found(0..5, 3), of(2, "ab"));
    assert_eq!(found(0..5, 4), of(4, "abcd"));
    assert_eq!(found(1..5, 1), None);
    assert_eq!(found(1..3, 99), of(2, "abcd"));
    assert_eq!(found(2..9, 99), of(3, "cde"));
    assert_eq!((found(2..2, 99), found(5..9, 99)), (None, None));
}

#[test]
fn what_looks_like_half_of_a_pair_only_where_two_texts_meet_is_none() {
    let contents = ["a", r"\\", "ud83d", "", r"\ude00"].map(text);
    let lines: Vec<Line<'_>> = contents.iter().map(|content| ("stream", "p", &content[..])).collect();
    let mut outbox = Outbox::new(Protocol::V1, MERGING);
    outbox.detach(false);
    append(&mut outbox, &lines[..4], 0.0);
    append(&mut outbox, &lines[4..], 0.0);
    assert_eq!(outbox.stats().merged, 4);
}

/// Random lines: mostly texts that can be merged, of few parents and names.
fn lines(random: &mut Random<'_>) -> Vec<(&'static str, String, String)> {
    let texts = [
        "",
        "a",
        "bb",
        "ccc",
        r"\\",
        "ud83d",
        r"\ud83d",
        r"\ude00",
        "é",
        r#"\""#,
        "dddddddddd",
        "eeeeeeeeee",
    ];
    let mut line = || {
        let others = ["display_data", "status", "update_display_data"];
        let kind = if random.one_in(8) {
            *random.choose(&others)
        } else {
            "stream"
        };
        let parent = random.choose(&["p", "p", "p", "q"]);
        let name = random.choose(&["stdout", "stdout", "stdout", "stderr"]);
        let more = if random.one_in(20) { r#","more":1"# } else { "" };
        let parent = format!(r#"{{"msg_id":"{parent}","session":"s"}}"#);
        let text = random.choose(&texts);
        (kind, parent, format!(r#"{{"name":"{name}","text":"{text}"{more}}}"#))
    };
    (0..40).map(|_| line()).collect()
}

/// Appends batches of `lines`, of which the client of this session gets the `ranges`. Returns all that can be seen of the outbox
/// after each batch, and what is sent at last.
fn appended(
    mut outbox: Outbox,
    batches: &[(Batch, Vec<Range<usize>>)],
    one_by_one: bool,
) -> (Vec<String>, Vec<Vec<u8>>) {
    let (protocol, mut seen) = (outbox.protocol(), Vec::new());
    for (number, (batch, ranges)) in batches.iter().enumerate() {
        if number == 1 {
            outbox.end_process(b"old");
        }
        let mut encoded = encoded(batch, protocol);
        if one_by_one {
            encoded = encoded.one_by_one();
        }
        for range in ranges {
            outbox.append(&encoded, range.start, range.end, 0.0);
        }
        assert_balanced(&outbox);
        assert_counted(&outbox);
        seen.push(format!("{:?}", outbox.stats()));
    }
    outbox.attach(protocol);
    let mut sent = Vec::new();
    for now in 1..500 {
        match outbox.take_messages(f64::from(now), 1 << 20) {
            Taken::Frames(frames) => sent.extend(frames.pieces.iter().map(|frame| frame.bytes().to_vec())),
            Taken::Gap(id, gap) => {
                sent.push(format!("{:?} {:?}", gap.parent, gap.count).into_bytes());
                assert!(outbox.fill_gap(id, Opcode::Binary, b"gap"));
            }
            Taken::Block(_) => panic!("nothing is spilled"),
            Taken::Nothing(_) => outbox.acknowledge_all(),
        }
    }
    assert_eq!(outbox.stats().waiting, 0);
    (seen, sent)
}

#[test]
fn a_batch_is_merged_as_its_messages_would_be_one_by_one() {
    let (mut merged, mut one_row) = (0, 0);
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let lines = lines(&mut random);
        let lines: Vec<Line<'_>> = lines.iter().map(|line| (line.0, &line.1[..], &line.2[..])).collect();
        let size = *random.choose(&[2, 5, 10, 20]);
        let batches = lines.chunks(size).map(|lines| {
            let sessions = *random.choose(&[&["new"][..], &["new"], &["old"], &["new", "new", "new", "new", "old"]]);
            let batch = testing::batch_of_processes(sessions, "iopub", lines, &[]);
            let (mut ranges, mut start) = (Vec::new(), 0);
            while start < lines.len() {
                let stop = if random.one_in(2) {
                    lines.len()
                } else {
                    start + random.size(lines.len() - start).max(1)
                };
                ranges.push(start..stop);
                start = stop + random.size(2);
            }
            (batch, ranges)
        });
        let batches: Vec<(Batch, Vec<Range<usize>>)> = batches.collect();
        let config = Config {
            backlog_limit: *random.choose(&[0, 0, 1, 7, 20, 200]),
            merge_window: *random.choose(&[0.0, 0.016, 0.016]),
            ..*random.choose(&[MERGING, HELD])
        };
        let (protocol, attached) = (*random.choose(&[Protocol::V1, Protocol::Legacy]), random.one_in(2));
        let results = [false, true].map(|one_by_one| {
            let mut outbox = Outbox::new(protocol, config);
            if !attached {
                outbox.detach(false);
            }
            appended(outbox, &batches, one_by_one)
        });
        assert_eq!(results[0], results[1], "seed {seed}");
        let together = encoded(&batches[0].0, protocol);
        one_row += usize::from(together.is_one_row());
        merged += together
            .texts()
            .rows
            .iter()
            .filter(|row| row.messages.len() > 1)
            .count();
    }
    assert!(merged > 400 && one_row > 20, "{merged} {one_row}");
}

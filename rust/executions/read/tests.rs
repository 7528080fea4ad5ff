use super::*;
use crate::client_wire::Protocol;
use crate::executions::journal::{Config, Journal};
use crate::executions::testing::{
    Random, Reader, UNLIMITED, contents, display, feed, journal, left_out, read_of, say, shown, updated, with_text,
};
use crate::flow::testing::{batch_of_parents, batch_with_buffer, encoded, text};
use crate::reader::wide;

/// A journal whose only execution has shown these texts, each a message of its own.
fn said(texts: &[String]) -> Journal {
    let mut journal = journal(UNLIMITED, &["p"]);
    for (each, name) in texts.iter().zip(["stdout", "stderr"].iter().cycle()) {
        let content = format!(r#"{{"name":"{name}","text":"{each}"}}"#);
        feed(&mut journal, &[("stream", "p", &content)]);
    }
    journal
}

/// The bytes of a content around its text.
const AROUND: u64 = r#"{"name":"stdout","text":""}"#.len() as u64;

fn text_of(pieces: &[Piece]) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Output(output) => {
            let text = &output.content[merge::text_range(&output.content).unwrap()];
            String::from_utf8(text.to_vec()).unwrap()
        }
        Piece::Gap => "|".to_owned(),
    };
    pieces.iter().map(text).collect()
}

#[test]
fn what_fits_is_complete() {
    let texts = ["a", "b", "c"].map(str::to_owned);
    let mut journal = said(&texts);
    let all = 3 * (AROUND + 1);
    assert_eq!(text_of(&read_of(&mut journal, 1, 0, all).pieces), "abc");
    let read = read_of(&mut journal, 1, 0, all - 1);
    assert_eq!((text_of(&read.pieces), left_out(&read)), ("a|c".to_owned(), (1, 1)));
}

#[test]
fn head_and_tail_are_as_long_as_fits_and_the_rest_is_counted_to_the_byte() {
    let mut journal = said(&["0123456789".repeat(10)]);
    for (max, head, tail) in [
        (0, 0, 0),
        (1, 0, 0),
        (2 * AROUND, 0, 0),
        (2 * AROUND + 2, 1, 1),
        (2 * AROUND + 61, 30, 30),
        (AROUND + 99, 36, 36),
    ] {
        let read = read_of(&mut journal, 1, 0, max);
        let all = "0123456789".repeat(10);
        assert_eq!(
            text_of(&read.pieces),
            format!("{}|{}", &all[..head], &all[100 - tail..]),
            "{max}"
        );
        assert_eq!(left_out(&read), (1, 100 - head as u64 - tail as u64));
    }
    assert_eq!(left_out(&read_of(&mut journal, 1, 0, AROUND + 100)), (0, 0));
}

#[test]
fn other_output_than_text_counts_its_content_whatever_it_is_encoded_for() {
    let content = format!(r#"{{"data":{{"text/plain":"{}"}}}}"#, "x".repeat(100));
    for make in [batch_of_parents, batch_with_buffer] {
        for protocol in [Protocol::V1, Protocol::Legacy] {
            let mut journal = journal(UNLIMITED, &["p"]);
            let batch = make("iopub", &[("display_data", r#"{"msg_id":"p"}"#, &content)]);
            journal.append(&encoded(&batch, protocol), 0.0);
            let read = read_of(&mut journal, 1, 0, 50);
            assert_eq!(
                (contents(&read), left_out(&read)),
                (vec!["gap".to_owned()], (1, wide(content.len())))
            );
            journal.with(1, |execution| while execution.log.drop_one(0) {});
            assert_eq!(
                left_out(&read_of(&mut journal, 1, 0, u64::MAX)),
                (1, wide(content.len()))
            );
        }
    }
}

#[test]
fn other_output_than_text_is_shown_whole_or_not_at_all() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let large = format!(r#"{{"data":"{}"}}"#, "x".repeat(100));
    let lines = [
        ("error", "p", "1"),
        ("display_data", "p", &large[..]),
        ("execute_result", "p", "2"),
        ("stream", "p", "3"),
    ];
    feed(&mut journal, &lines);
    let read = read_of(&mut journal, 1, 0, 50);
    assert_eq!(contents(&read), ["1", "gap", "2", "3"]);
    assert_eq!(left_out(&read), (1, wide(large.len())));
    let read = read_of(&mut journal, 1, 0, 2);
    assert_eq!(
        (contents(&read), left_out(&read).0),
        (vec!["1".to_owned(), "gap".to_owned(), "3".to_owned()], 2)
    );
}

#[test]
fn a_merged_message_of_which_a_part_is_missing_counts_whole() {
    let mut journal = journal(UNLIMITED, &["p"]);
    feed(&mut journal, &[("stream", "p", &text("0123456789")[..]); 10]);
    let read = read_of(&mut journal, 1, 0, 2 * AROUND + 20);
    assert_eq!(
        (text_of(&read.pieces), left_out(&read)),
        ("0123456789|0123456789".to_owned(), (10, 80))
    );
}

#[test]
fn no_escape_surrogate_pair_or_character_is_cut() {
    let units = [
        "a",
        r"\n",
        r"\\",
        r#"\""#,
        r"\u00e9",
        "é",
        "€",
        "😀",
        r"\ud83d\ude00",
        r"\uD83D\uDE00",
        r"\ud83d",
        r"\ude00",
    ];
    let mut random = Random::new(1);
    for _ in 0..100 {
        let chosen: Vec<&str> = (0..12).map(|_| *random.choose(&units)).collect();
        // A pair that is not written as one unit is one character too
        let whole = chosen.concat();
        let mut starts = vec![0];
        while starts.last() < Some(&whole.len()) {
            let at = *starts.last().unwrap();
            let unit = units
                .iter()
                .filter(|unit| whole[at..].starts_with(**unit))
                .max_by_key(|unit| unit.len());
            starts.push(at + unit.unwrap().len());
        }
        let mut journal = said(std::slice::from_ref(&whole));
        for room in 0..whole.len() {
            let read = read_of(&mut journal, 1, 0, 2 * (AROUND + room as u64));
            let shown = text_of(&read.pieces);
            let Some((head, tail)) = shown.split_once('|') else {
                assert_eq!(shown, whole);
                continue;
            };
            assert!(
                whole.starts_with(head) && whole.ends_with(tail),
                "{whole} {head} {tail}"
            );
            let longest = *starts.iter().filter(|start| **start <= room).max().unwrap();
            assert_eq!(head.len(), longest, "{whole}");
            let first = *starts
                .iter()
                .filter(|start| **start + room >= whole.len())
                .min()
                .unwrap();
            assert_eq!(tail.len(), whole.len() - first, "{whole}");
            assert_eq!(left_out(&read), (1, (whole.len() - head.len() - tail.len()) as u64));
        }
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_counted_too() {
    for text in [&b"ab\xff\xfe\x80\x80cd"[..], b"\x80\x80\x80\x80", b"\xf0\x9f\x98"] {
        for limit in 0..=wide(text.len()) {
            let (last, first) = boundaries(text, limit);
            assert!(wide(last) <= limit && limit <= wide(first) && first <= text.len());
        }
    }
    assert_eq!(boundaries(b"", 3), (0, 0));
    assert_eq!(boundaries(b"\\", 0), (0, 0));
    assert_eq!(
        boundaries(b"\\u12", 3),
        (0, 4),
        "cannot occur in a text that was checked"
    );
}

#[test]
fn random_limits_are_kept_and_what_is_missing_is_exact() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let texts: Vec<String> = (0..random.size(20))
            .map(|_| random.choose(&["x", "é", r"\n"]).repeat(random.size(50)))
            .collect();
        let mut journal = said(&texts);
        let all = text_of(&read_of(&mut journal, 1, 0, u64::MAX).pieces);
        let max = random.below(1500);
        let read = read_of(&mut journal, 1, 0, max);
        let shown = text_of(&read.pieces);
        let (head, tail) = shown.split_once('|').unwrap_or((&shown, ""));
        assert!(all.starts_with(head) && all.ends_with(tail), "seed {seed}");
        assert_eq!(
            (head.len() + tail.len()) as u64 + read.left_out.bytes,
            all.len() as u64,
            "seed {seed}"
        );
        let whole = all.len() as u64 + texts.len() as u64 * AROUND;
        assert_eq!(read.left_out.messages == 0, whole <= max, "seed {seed}");
    }
}

#[test]
fn what_does_not_fit_counts_with_what_was_dropped_before() {
    let mut journal = journal(Config { text: 20, ..UNLIMITED }, &["p"]);
    for each in ["aaaaa", "bbbbb", "ccccc", "ddddd", "eeeee", "fffff"] {
        feed(&mut journal, &[("stream", "p", &text(each)), ("error", "p", "1")]);
    }
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    assert_eq!((left_out(&read), contents(&read).len()), ((2, 10), 11));
    let read = read_of(&mut journal, 1, 0, 2 * (AROUND + 5));
    assert_eq!(contents(&read), [&text("aaaaa")[..], "gap", &text("ffff"), "1"]);
    assert_eq!(left_out(&read), (5 + 5, 30 - 5 - 4 + 5 * wide("1".len())));
}

#[test]
fn a_reader_with_little_room_goes_on_after_what_it_was_not_shown() {
    let mut journal = said(&["a".repeat(1000)]);
    let read = read_of(&mut journal, 1, 0, 100);
    feed(&mut journal, &[("stream", "p", &text("b"))]);
    let next = read_of(&mut journal, 1, read.next, 100);
    assert_eq!((contents(&next), next.cleared), (vec![text("b")], false));
}

#[test]
fn updates_that_do_not_fit_restart_the_reader_and_nothing_is_longer_than_its_room() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let size = wide(updated("d", &"x".repeat(100)).len());
    feed(
        &mut journal,
        &[
            ("display_data", "p", &display("d", "1")),
            ("display_data", "p", &display("e", "1")),
        ],
    );
    let since = read_of(&mut journal, 1, 0, u64::MAX).next;
    let large = ["d", "e"].map(|id| display(id, &"x".repeat(100)));
    let updates = large
        .each_ref()
        .map(|content| ("update_display_data", "p", &content[..]));
    feed(&mut journal, &updates);
    feed(&mut journal, &[("stream", "p", &text(&"y".repeat(100)))]);
    let read = read_of(&mut journal, 1, since, 2 * size + AROUND + 100);
    assert_eq!((read.updates.len(), left_out(&read), read.cleared), (2, (0, 0), false));
    let read = read_of(&mut journal, 1, since, 2 * size + 2 * AROUND + 20);
    assert_eq!(
        (read.updates.len(), left_out(&read)),
        (2, (1, 80)),
        "text has the room that updates leave"
    );
    let read = read_of(&mut journal, 1, since, 2 * size - 1);
    assert_eq!((read.updates.len(), read.cleared), (0, true));
    assert_eq!(
        (contents(&read), read.left_out.messages),
        (vec!["gap".to_owned(), text(&"y".repeat(100))], 2)
    );
}

#[test]
fn a_reader_of_nothing_gets_nothing() {
    let mut journal = journal(UNLIMITED, &["p"]);
    for since in [0, 1] {
        let read = read_of(&mut journal, 1, since, 0);
        assert_eq!(
            (read.pieces, read.next, read.cleared, read.left_out),
            (vec![], 1, false, Count::default())
        );
    }
    let mut reader = Reader::default();
    reader.follow(&mut journal, 1);
    assert_eq!(shown(&mut journal, 1), reader.contents());
}

#[test]
fn of_a_text_over_the_limit_the_beginning_and_the_end_are_kept() {
    let mut journal = journal(with_text(8), &["p"]);
    say(&mut journal, &["aabbccddeeff"]);
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    assert_eq!(contents(&read), [&text("aabb")[..], "gap", &text("eeff")]);
    assert_eq!(left_out(&read), (0, 4));
    say(&mut journal, &["gg"]);
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    assert_eq!(contents(&read).last(), Some(&text("gg")));
    assert_eq!(left_out(&read), (0, 8), "the end makes room for what is newer");
}

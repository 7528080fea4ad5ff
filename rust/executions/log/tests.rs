use super::*;
use crate::executions::read::{Piece, Read};
use crate::executions::testing::{
    Reader, UNLIMITED, contents, feed, journal, left_out, read_of, say, shown, slots, with_text,
};
use crate::flow::testing::{batch, counted_anew, encoded, kept_alive, text};

impl Log {
    /// The memory, counted anew.
    pub(in crate::executions) fn counted_anew(&self) -> u64 {
        assert!(
            self.updated.keys().all(|seq| self.has(*seq)),
            "no note is kept longer than its display"
        );
        let notes = 48 * self.updated.len() + 24 * self.marks.len() + SLOT_UPKEEP * self.lane.slots_from(0).count();
        let own = self
            .parent
            .as_ref()
            .filter(|_| self.lane.slots() == 0 && self.lane.is_empty());
        assert!(own.is_none(), "a log without output keeps no parent");
        counted_anew(&self.lane) + wide(notes)
    }

    /// The bytes of all buffers that it keeps in memory, each once.
    pub(in crate::executions) fn kept_alive(&self) -> u64 {
        kept_alive(&self.lane)
    }

    /// Whether the slot `seq` is a message.
    pub(in crate::executions) fn has(&self, seq: u64) -> bool {
        let slot = self.lane.slots_from(seq).next();
        slot.is_some_and(|slot| slot.seq == seq && matches!(slot.item, Item::Message(_)))
    }
}

#[test]
fn adjacent_texts_are_one_message_and_other_output_is_between_them() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let other = r#"{"name":"stderr","text":"e"}"#;
    say(&mut journal, &["a", "b"]);
    feed(
        &mut journal,
        &[
            ("stream", "p", &text("c")),
            ("stream", "p", other),
            ("display_data", "p", "{}"),
            ("stream", "p", &text("d")),
            ("error", "p", "1"),
        ],
    );
    assert_eq!(shown(&mut journal, 1), [&text("abc")[..], other, "{}", &text("d"), "1"]);
}

#[test]
fn a_text_that_continues_the_last_is_joined_as_if_it_were_appended() {
    let texts = [
        "a", "", r"\ud83d", r"\ude00", "b", "ccc", "dddd", "eeeeee", "f", r"\ud83d", "g",
    ];
    let mut lines: Vec<(&str, &str, String)> = texts.iter().map(|each| ("stream", "p", text(each))).collect();
    lines.insert(4, ("stream", "p", r#"{"name":"stderr","text":"e"}"#.to_owned()));
    lines.insert(
        6,
        ("stream", "p", r#"{"name":"stderr","text":"e","more":1}"#.to_owned()),
    );
    let lines: Vec<(&str, &str, &str)> = lines
        .iter()
        .map(|(kind, parent, content)| (*kind, *parent, &content[..]))
        .collect();
    for protocol in [Protocol::V1, Protocol::Legacy] {
        for limit in [0, 1, 2, 8, 20, 1000] {
            let batch = batch("iopub", &lines);
            let encoded = encoded(&batch, protocol);
            let (mut joined, mut appended, mut joins) = (Log::default(), Log::default(), 0);
            for (index, message) in batch.messages().iter().enumerate() {
                let entry = || Entry::plain(encoded.frame(index), protocol, Class::Exempt);
                appended.append(message, batch.parts(message), entry(), limit);
                if joined.join(&encoded, index..index + 1, limit) == 1 {
                    joins += 1;
                } else {
                    joined.append(message, batch.parts(message), entry(), limit);
                }
                assert_eq!(joined.appended(), appended.appended());
                assert_eq!(joined.memory(), appended.memory());
            }
            assert_eq!(joins > 0, limit != 1 && limit != 2, "{limit}");
            assert_eq!(joined.end(), appended.end());
            assert_eq!(slots(&joined), slots(&appended));
        }
    }
}

#[test]
fn the_middle_of_the_text_is_dropped_and_exactly_counted() {
    let mut journal = journal(with_text(8), &["p"]);
    say(&mut journal, &["aaa", "bb", "ccc", "dd", "ee", "fff", "gg"]);
    // At most 4 bytes are merged, and at most 4 kept at the front
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    assert_eq!(contents(&read), [&text("aaa")[..], "gap", &text("fff"), &text("gg")]);
    assert_eq!(left_out(&read), (4, 9));
}

#[test]
fn output_that_is_not_text_stays_where_it_is_when_text_is_dropped() {
    let mut journal = journal(with_text(4), &["p"]);
    for each in ["aa", "bb", "cc", "dd"] {
        feed(
            &mut journal,
            &[("stream", "p", &text(each)), ("display_data", "p", "{}")],
        );
    }
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    let expected = [&text("aa")[..], "{}", "gap", "{}", "{}", &text("dd"), "{}"];
    assert_eq!(contents(&read), expected);
    assert_eq!(left_out(&read), (2, 4));
}

#[test]
fn a_text_longer_than_the_limit_is_counted_to_the_byte_and_what_follows_is_kept() {
    let mut journal = journal(with_text(100), &["p"]);
    for long in [101, 70_000, 1_000_000] {
        say(&mut journal, &[&"x".repeat(long), "tail"]);
    }
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    let beginning = text(&"x".repeat(50));
    assert_eq!(contents(&read), [&beginning[..], "gap", &text("tail")]);
    let all = 101 + 70_000 + 1_000_000 + 3 * 4;
    assert_eq!(
        left_out(&read),
        (4, all - 50 - 4),
        "the first and the last message are there"
    );
}

#[test]
fn without_a_limit_text_is_merged_and_not_dropped() {
    let mut journal = journal(with_text(0), &["p"]);
    say(&mut journal, &vec!["0123456789"; 10_000]);
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    assert_eq!(
        (read.pieces.len(), left_out(&read)),
        (2, (0, 0)),
        "64 KiB, and the rest"
    );
}

#[test]
fn what_was_dropped_behind_a_reader_does_not_count_for_it() {
    let mut journal = journal(with_text(8), &["p"]);
    let mut reader = Reader::default();
    for each in 0..50 {
        say(&mut journal, &[&format!("{each:02}")]);
        reader.follow(&mut journal, 1);
    }
    let expected: Vec<String> = (0..50).map(|each| text(&format!("{each:02}"))).collect();
    assert_eq!((reader.contents(), reader.left_out), (expected, Count::default()));
    assert_eq!(reader.restarts, 0);
    let new = read_of(&mut journal, 1, 0, u64::MAX);
    assert_eq!(left_out(&new), (46, 92), "but for one that begins now");
}

#[test]
fn a_reader_misses_exactly_what_was_dropped_in_front_of_it() {
    let mut journal = journal(with_text(8), &["p"]);
    say(&mut journal, &["aa", "bb", "cc"]);
    let mut reader = Reader::default();
    reader.follow(&mut journal, 1);
    // Dropped: cc, which the reader has, dddd to ffff, which it has not
    say(&mut journal, &["dddd", "eeee", "ffff", "gg", "hh"]);
    let read = read_of(&mut journal, 1, reader.since, u64::MAX);
    assert!(!read.cleared);
    assert_eq!(contents(&read), ["gap", &text("gghh")]);
    assert_eq!(left_out(&read), (3, 12));
    reader.follow(&mut journal, 1);
    say(&mut journal, &["ii"]);
    reader.follow(&mut journal, 1);
    assert_eq!(reader.left_out, read.left_out, "it is told once");
    assert_eq!(read_of(&mut journal, 1, 0, u64::MAX).left_out.bytes, 18);
}

#[test]
fn a_cursor_in_dropped_text_that_is_not_remembered_begins_anew() {
    let mut journal = journal(with_text(8), &["p"]);
    let mut slow = Reader::default();
    say(&mut journal, &["aa"]);
    slow.follow(&mut journal, 1);
    for _ in 0..MARKS {
        say(&mut journal, &["bb"]);
        read_of(&mut journal, 1, 0, u64::MAX);
    }
    slow.follow(&mut journal, 1);
    assert_eq!(slow.restarts, 1);
    let bb = &text("bb")[..];
    assert_eq!(slow.contents(), [&text("aa")[..], bb, "gap", bb, bb]);
    assert_eq!((slow.left_out.messages, slow.left_out.bytes), (253, 506));
}

#[test]
fn a_cursor_that_is_not_remembered_goes_on_where_nothing_was_dropped() {
    let mut journal = journal(UNLIMITED, &["p"]);
    let mut slow = Reader::default();
    say(&mut journal, &["a"]);
    slow.follow(&mut journal, 1);
    for _ in 0..2 * MARKS {
        say(&mut journal, &["b"]);
        read_of(&mut journal, 1, 0, u64::MAX);
    }
    slow.follow(&mut journal, 1);
    assert_eq!((slow.restarts, slow.contents().len()), (0, 1 + 2 * MARKS));
}

#[test]
fn a_cursor_directly_before_what_is_left_goes_on() {
    let mut journal = journal(with_text(4), &["p"]);
    let mut slow = Reader::default();
    say(&mut journal, &["aaaa"]);
    slow.follow(&mut journal, 1);
    for _ in 0..MARKS {
        feed(&mut journal, &[("error", "p", "1")]);
        read_of(&mut journal, 1, 0, u64::MAX);
    }
    say(&mut journal, &["b"]);
    assert_eq!(read_of(&mut journal, 1, 0, u64::MAX).left_out.messages, 1);
    slow.follow(&mut journal, 1);
    assert_eq!((slow.restarts, slow.left_out), (0, Count::default()));
}

#[test]
fn reading_again_takes_no_memory() {
    let mut journal = journal(UNLIMITED, &["p"]);
    say(&mut journal, &["a"]);
    read_of(&mut journal, 1, 0, u64::MAX);
    let memory = journal.memory();
    for since in 0..100 {
        read_of(&mut journal, 1, since, u64::MAX);
    }
    assert_eq!(journal.memory(), memory);
}

#[test]
fn a_cursor_from_elsewhere_begins_anew() {
    let mut journal = journal(UNLIMITED, &["p"]);
    say(&mut journal, &["a"]);
    let next = read_of(&mut journal, 1, 0, u64::MAX).next;
    for since in [next + 1, 1 << 40, u64::MAX] {
        let read = read_of(&mut journal, 1, since, u64::MAX);
        assert!(read.cleared);
        assert_eq!((contents(&read), read.next), (vec![text("a")], next));
    }
}

#[test]
fn a_malformed_text_is_kept_and_counts_as_its_content() {
    let odd = [
        "not json",
        "[1]",
        "",
        r#"{"text":"a"}"#,
        r#"{"name":"stdout","text":7}"#,
        r#"{"name":"a","text":"b","text":"cc"}"#,
    ];
    let mut journal = journal(UNLIMITED, &["p"]);
    let lines: Vec<_> = odd.iter().map(|content| ("stream", "p", *content)).collect();
    feed(&mut journal, &lines);
    assert_eq!(shown(&mut journal, 1), odd);
    journal.configure(with_text(1));
    say(&mut journal, &["x"]);
    let read = read_of(&mut journal, 1, 0, u64::MAX);
    assert_eq!(left_out(&read).1 + kept_text(&read), 8 + 3 + 1 + 1 + 1);
}

fn kept_text(read: &Read) -> u64 {
    let outputs = read.pieces.iter().filter_map(|piece| match piece {
        Piece::Output(output) => Some(merge::text_bytes(&output.content)),
        Piece::Gap => None,
    });
    outputs.sum()
}

/// A log of messages, each appended by itself: types and contents.
fn log_of(lines: &[(&str, &str)], text_limit: u64) -> Log {
    let mut log = Log::default();
    for (msg_type, content) in lines {
        let batch = batch("iopub", &[(msg_type, "p", content)]);
        let encoded = encoded(&batch, Protocol::V1);
        for message in batch.messages() {
            let entry = Entry::plain(encoded.frame(0), Protocol::V1, Class::Exempt);
            log.append(message, batch.parts(message), entry, text_limit);
        }
        log.end();
    }
    log
}

#[test]
fn a_reader_from_before_what_was_dropped_begins_anew() {
    let display = ("display_data", "{}");
    let follows = |log: &Log| [1, 2, 3].map(|since| log.follows(since));
    let mut displays = log_of(&[display; 3], 0);
    assert_eq!(follows(&displays), [true; 3]);
    assert!(displays.drop_one(u64::MAX) && displays.drop_one(u64::MAX));
    assert_eq!(follows(&displays), [false, true, true]);
    // It cannot be divided, so all of it is dropped and no text is left
    let whole = r#"{"name":"stdout","text":"0123456789","more":1}"#;
    let dropped = log_of(&[display, display, ("stream", whole)], 4);
    assert_eq!(follows(&dropped), [false, false, true]);
}

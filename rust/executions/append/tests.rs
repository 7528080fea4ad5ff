use crate::client_wire::Protocol;
use crate::executions::testing::{UNLIMITED, feed, feed_as, feed_on, journal, say, shown, with_text};
use crate::flow::testing::{batch, text};

#[test]
fn what_only_looks_like_a_text_is_not_joined_to_one() {
    let mut journal = journal(UNLIMITED, &["p"]);
    say(&mut journal, &["a", "b"]);
    feed(
        &mut journal,
        &[("display_data", "p", &text("c")), ("stream", "p", &text("d"))],
    );
    assert_eq!(shown(&mut journal, 1), [text("ab"), text("c"), text("d")]);
}

#[test]
fn a_stream_of_another_channel_is_no_output() {
    for channel in ["shell", "stdin", "control"] {
        let mut journal = journal(UNLIMITED, &["p"]);
        say(&mut journal, &["a", "b"]);
        feed_on(&mut journal, channel, &[("stream", "p", &text("c"))], 0.0);
        assert_eq!(shown(&mut journal, 1), [text("ab")], "{channel}");
    }
}

#[test]
fn a_text_over_the_limit_is_kept_in_parts_whatever_it_is_encoded_for() {
    let long = "x".repeat(5000);
    let expected = {
        let mut journal = journal(with_text(1000), &["p"]);
        say(&mut journal, &[&long]);
        shown(&mut journal, 1)
    };
    assert!(expected.len() > 1, "the beginning, a gap and the end");
    let mut journal = journal(with_text(1000), &["p"]);
    feed_as(
        &mut journal,
        &batch("iopub", &[("stream", "p", &text(&long))]),
        Protocol::Legacy,
        0.0,
    );
    assert_eq!(shown(&mut journal, 1), expected);
}

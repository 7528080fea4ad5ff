use crate::client_wire::Protocol;
use crate::executions::comms;
use crate::executions::testing::{
    BUSY, Random, UNLIMITED, feed, feed_as, feed_on, journal, say, shown, slots, with_text,
};
use crate::flow::testing::{Line, batch, encoded, text};

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

/// A random message: mostly a text, and all that a text must not pass.
fn line(random: &mut Random<'_>) -> (&'static str, &'static str, String) {
    let parent = *random.choose(&["p", "p", "p", "q", "unknown"]);
    let capturing =
        |request: &str| format!(r#"{{"comm_id":"out","data":{{"state":{{"msg_id":"{request}"}},"method":"update"}}}}"#);
    if random.one_in(6) {
        let others = [
            ("display_data", text("d")),
            ("status", BUSY.to_owned()),
            ("clear_output", r#"{"wait":true}"#.to_owned()),
            ("clear_output", "{}".to_owned()),
            ("comm_msg", capturing("p")),
            ("comm_msg", capturing("")),
        ];
        let (kind, content) = random.choose(&others);
        return (kind, parent, content.clone());
    }
    let name = random.choose(&["stdout", "stdout", "stdout", "stderr"]);
    let said = random.choose(&[
        "",
        "a",
        "bb",
        "ccccc",
        r"\\",
        "ud83d",
        r"\ud83d",
        r"\ude00",
        "dddddddddd",
    ]);
    let more = if random.one_in(20) { r#","more":1"# } else { "" };
    (
        "stream",
        parent,
        format!(r#"{{"name":"{name}","text":"{said}"{more}}}"#),
    )
}

#[test]
fn a_batch_is_kept_as_its_messages_would_be_one_by_one() {
    let (mut captured, mut left_out) = (0, 0);
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let lines: Vec<_> = (0..40).map(|_| line(&mut random)).collect();
        let lines: Vec<Line<'_>> = lines.iter().map(|line| (line.0, line.1, &line.2[..])).collect();
        let (limit, protocol) = (
            *random.choose(&[0, 1, 8, 20, 1000]),
            *random.choose(&[Protocol::V1, Protocol::Legacy]),
        );
        let size = *random.choose(&[3, 10, 40]);
        let kept = [false, true].map(|one_by_one| {
            let mut journal = journal(with_text(limit), &["p", "q"]);
            let state = r#"{"_model_name":"OutputModel","msg_id":"","outputs":[]}"#;
            let open = format!(r#"{{"comm_id":"out","target_name":"jupyter.widget","data":{{"state":{state}}}}}"#);
            feed(&mut journal, &[("comm_open", "p", &open)]);
            let mut changed = Vec::new();
            for part in lines.chunks(size) {
                let batch = batch("iopub", part);
                let encoded = encoded(&batch, protocol);
                let encoded = if one_by_one { encoded.one_by_one() } else { encoded };
                changed.push((journal.append(&encoded, 0.0), journal.memory()));
                journal.check();
            }
            journal.comms.end_logs();
            let ended =
                [1, 2].map(|number| journal.with(number, |execution| (execution.log.end(), slots(&execution.log)).1));
            let mut logs = ended.to_vec();
            let of_widget = journal.comms.of(&comms::owners::Owner::All);
            logs.extend(of_widget.iter().map(|comm| comm.captured.as_deref().map(slots)));
            (changed, logs)
        });
        assert_eq!(kept[0], kept[1], "seed {seed}");
        let slots = |index: usize| kept[0].1.get(index).cloned().flatten().unwrap_or_default();
        captured += slots(2).len();
        left_out += slots(0).iter().filter(|(_, frame, _)| frame.is_empty()).count();
    }
    assert!(captured > 100 && left_out > 100, "{captured} {left_out}");
}

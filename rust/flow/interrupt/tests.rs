use crate::client_wire::Protocol;
use crate::flow::config::Config;
use crate::flow::merge::MERGED_TEXT;
use crate::flow::outbox::Outbox;
use crate::flow::testing::{HELD, append_of, take, text};

const PARENT: &str = r#"{"msg_id":"cell","msg_type":"execute_request"}"#;
const OTHER: &str = r#"{"msg_id":"other","msg_type":"execute_request"}"#;
const BUSY: (&str, &str, &str) = ("status", PARENT, r#"{"execution_state":"busy"}"#);
const IDLE: (&str, &str, &str) = ("status", PARENT, r#"{"execution_state":"idle"}"#);
/// An interrupt keeps two letters at either end. The rate limits allow two messages a second.
const CONFIG: Config = Config {
    interrupt_limit: 4,
    merge_window: 0.0,
    ..HELD
};

fn outbox(config: Config) -> Outbox {
    Outbox::new(Protocol::V1, config)
}

fn print(outbox: &mut Outbox, parent: &str, letters: &str) {
    for letter in letters.chars() {
        append_of(outbox, "kernel", &[("stream", parent, &text(&letter.to_string()))], 0.0);
    }
}

/// The messages that are sent, joined; of `stream` messages only the text.
fn shown(outbox: &mut Outbox) -> String {
    let out = take(outbox, 0.0);
    let texts = out.iter().map(|content| {
        let text = content
            .strip_prefix(r#"{"name":"stdout","text":""#)
            .map(|rest| rest.trim_end_matches("\"}"));
        text.map_or_else(|| format!("[{content}]"), str::to_owned)
    });
    texts.collect()
}

#[test]
fn an_interrupt_keeps_head_and_tail_of_the_text_and_everything_else() {
    let mut outbox = outbox(CONFIG);
    append_of(&mut outbox, "kernel", &[BUSY], 0.0);
    print(&mut outbox, PARENT, "12");
    assert_eq!(shown(&mut outbox), r#"[{"execution_state":"busy"}]12"#);
    print(&mut outbox, PARENT, "abcd");
    append_of(&mut outbox, "kernel", &[("display_data", PARENT, "{}")], 0.0);
    print(&mut outbox, PARENT, "efgh");
    assert_eq!(shown(&mut outbox), "", "the rate limits hold it");
    outbox.interrupt();
    assert_eq!(
        shown(&mut outbox),
        r#"ab[Interrupted 4 4 of {"msg_id":"cell","msg_type":"execute_request"}][{}]gh"#
    );
    print(&mut outbox, PARENT, "ijklmnop");
    append_of(&mut outbox, "kernel", &[("error", PARENT, "{}"), IDLE], 0.0);
    let out = shown(&mut outbox);
    assert!(out.starts_with("ij[Interrupted 4 4 of"), "{out}");
    assert!(out.ends_with(r#"op[{}][{"execution_state":"idle"}]"#), "{out}");
    let stats = outbox.stats();
    assert_eq!(
        stats.cursors.appended,
        stats.cursors.sent + 8,
        "eight letters were dropped"
    );
}

#[test]
fn a_second_cut_counts_in_the_gap_of_the_first() {
    let mut outbox = outbox(CONFIG);
    append_of(&mut outbox, "kernel", &[BUSY], 0.0);
    outbox.detach(false);
    print(&mut outbox, PARENT, "abcdef");
    outbox.interrupt();
    print(&mut outbox, PARENT, "ghi");
    append_of(&mut outbox, "kernel", &[IDLE], 0.0);
    outbox.attach(Protocol::V1);
    let out = shown(&mut outbox);
    assert!(out.contains("ab[Interrupted 5 5 of"), "{out}");
    assert_eq!(out.matches("Interrupted").count(), 1, "{out}");
    assert!(out.contains("]hi["), "{out}");
}

#[test]
fn the_text_of_other_executions_stays() {
    let mut outbox = outbox(CONFIG);
    outbox.detach(false);
    print(&mut outbox, OTHER, "ABCDEFGH");
    append_of(&mut outbox, "kernel", &[BUSY], 0.0);
    print(&mut outbox, PARENT, "abcdefgh");
    outbox.interrupt();
    outbox.attach(Protocol::V1);
    let out = shown(&mut outbox);
    assert!(out.starts_with("ABCDEFGH"), "{out}");
    assert!(out.contains("]ab[Interrupted 4"), "{out}");
    assert!(out.ends_with("gh"), "{out}");
}

#[test]
fn an_interrupt_after_the_end_cuts_queued_text_and_no_later_text() {
    let mut outbox = outbox(CONFIG);
    append_of(&mut outbox, "kernel", &[BUSY], 0.0);
    outbox.detach(false);
    print(&mut outbox, PARENT, "abcdef");
    append_of(&mut outbox, "kernel", &[IDLE], 0.0);
    outbox.interrupt();
    let next = r#"{"msg_id":"next","msg_type":"execute_request"}"#;
    append_of(
        &mut outbox,
        "kernel",
        &[("status", next, r#"{"execution_state":"busy"}"#)],
        0.0,
    );
    print(&mut outbox, next, "ABCDEF");
    append_of(
        &mut outbox,
        "kernel",
        &[("status", next, r#"{"execution_state":"idle"}"#)],
        0.0,
    );
    outbox.configure(Config { hold: false, ..CONFIG });
    outbox.attach(Protocol::V1);
    let out = shown(&mut outbox);
    assert!(out.contains("ab[Interrupted 2 2 of"), "{out}");
    assert!(out.contains("ABCDEF"), "{out}");
}

#[test]
fn without_a_limit_or_an_execution_an_interrupt_changes_nothing() {
    let config = Config {
        interrupt_limit: 0,
        ..CONFIG
    };
    for (config, first) in [
        (config, BUSY),
        (CONFIG, ("status", "{}", r#"{"execution_state":"busy"}"#)),
    ] {
        let mut outbox = outbox(config);
        outbox.detach(false);
        append_of(&mut outbox, "kernel", &[first], 0.0);
        print(&mut outbox, PARENT, "abcdef");
        outbox.interrupt();
        outbox.configure(Config { hold: false, ..config });
        outbox.attach(Protocol::V1);
        assert!(shown(&mut outbox).ends_with("abcdef"));
    }
}

#[test]
fn text_that_was_written_before_is_never_cut() {
    let mut outbox = outbox(Config { hold: false, ..CONFIG });
    append_of(&mut outbox, "kernel", &[BUSY], 0.0);
    print(&mut outbox, PARENT, "abcdef");
    let before = shown(&mut outbox);
    outbox.detach(false);
    outbox.interrupt();
    outbox.attach(Protocol::V1);
    assert_eq!(shown(&mut outbox), before);
}

#[test]
fn a_large_message_is_not_kept_for_being_the_first() {
    let mut outbox = outbox(CONFIG);
    append_of(&mut outbox, "kernel", &[BUSY], 0.0);
    outbox.detach(false);
    let large = "x".repeat(100_000);
    append_of(&mut outbox, "kernel", &[("stream", PARENT, &text(&large))], 0.0);
    print(&mut outbox, PARENT, "ab");
    outbox.interrupt();
    outbox.attach(Protocol::V1);
    let out = shown(&mut outbox);
    assert!(out.contains("[Interrupted 1 100000 of"), "{out}");
    assert!(out.ends_with("ab"), "{out}");
}

#[test]
fn a_skip_keeps_what_four_merged_messages_hold_however_small_the_limit_is() {
    let mut outbox = outbox(CONFIG);
    outbox.detach(false);
    let line = "x".repeat(1000);
    let mut append = |count: usize| {
        for _ in 0..count {
            append_of(&mut outbox, "kernel", &[("stream", PARENT, &text(&line))], 0.0);
        }
        outbox.skip();
        (
            outbox.stats().text,
            outbox.stats().left_out.map(|count| count.bytes).iter().sum(),
        )
    };
    assert_eq!(append(262), (262_000, 0));
    let (kept, left_out) = append(38);
    assert!(
        kept <= 4 * MERGED_TEXT && kept + left_out == 300_000,
        "{kept} {left_out}"
    );
}

/// What an interrupt leaves of text of `PARENT`, which began before these statuses arrived: parents and states.
fn left_after(statuses: &[(&str, &str)]) -> String {
    let mut outbox = outbox(CONFIG);
    outbox.detach(false);
    let early = r#"{"msg_id":"early","msg_type":"execute_request"}"#;
    for (parent, state) in [(early, "busy"), (early, "idle"), (PARENT, "busy")]
        .iter()
        .chain(statuses)
    {
        let content = format!(r#"{{"execution_state":"{state}"}}"#);
        append_of(&mut outbox, "kernel", &[("status", parent, &content)], 0.0);
    }
    print(&mut outbox, PARENT, "abcdefgh");
    outbox.interrupt();
    outbox.attach(Protocol::V1);
    let out = shown(&mut outbox);
    let (_, after) = out.rsplit_once("execution_state").unwrap();
    after.split_once("}]").unwrap().1.to_owned()
}

#[test]
fn statuses_of_other_requests_do_not_end_the_execution() {
    let comm = r#"{"msg_id":"comm","msg_type":"comm_msg"}"#;
    let cut = r#"ab[Interrupted 4 4 of {"msg_id":"cell","msg_type":"execute_request"}]gh"#;
    assert_eq!(left_after(&[]), cut);
    assert_eq!(left_after(&[(OTHER, "idle")]), cut);
    assert_eq!(left_after(&[(OTHER, "starting")]), cut);
    assert_eq!(left_after(&[(comm, "busy")]), cut);
    assert_eq!(left_after(&[(OTHER, "busy")]), "abcdefgh");
}

#[test]
fn a_message_that_exceeds_the_limit_is_kept_whole() {
    let mut outbox = outbox(CONFIG);
    append_of(&mut outbox, "kernel", &[BUSY], 0.0);
    outbox.detach(false);
    for word in ["abc", "def", "ghi"] {
        append_of(&mut outbox, "kernel", &[("stream", PARENT, &text(word))], 0.0);
    }
    outbox.interrupt();
    outbox.attach(Protocol::V1);
    let out = shown(&mut outbox);
    assert!(out.contains("]abc[Interrupted 1 3 of"), "{out}");
    assert!(out.ends_with("]ghi"), "{out}");
}

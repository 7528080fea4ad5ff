use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::flow::config::Config;
use crate::flow::guard::Guarded;
use crate::flow::leave::Taken;
use crate::flow::outbox::Outbox;
use crate::flow::testing::{self, Line, MERGING, batch, text};

fn encoded(lines: &[Line<'_>], protocol: Protocol) -> Encoded {
    testing::encoded(&batch("iopub", lines), protocol)
}

#[test]
fn one_row_of_texts_is_encoded_when_a_second_frame_is_needed() {
    let [a, b, c] = ["a", "b", "c"].map(text);
    let lines = [("stream", "p", &a[..]), ("stream", "p", &b), ("stream", "p", &c)];
    for protocol in [Protocol::V1, Protocol::Legacy] {
        let (one, all) = (encoded(&lines, protocol), encoded(&lines, protocol));
        all.source();
        for _ in 0..2 {
            assert_eq!(one.frame(1).bytes(), all.frame(1).bytes());
            assert_eq!(one.frame(1).source().len(), one.frame(1).len());
            assert!(one.frame(1).is_of(one.frame(1).source()), "it is made once");
            assert!(!one.is_refused(2) && one.refused().is_empty());
            assert!(one.source_if_any().is_none());
        }
        for index in [0, 1, 2] {
            assert_eq!(one.frame(index).bytes(), all.frame(index).bytes());
            assert_eq!(one.place(index), all.place(index));
            assert_eq!(one.frame(index).is_of(one.source()), index != 1);
        }
        assert!(one.is_split() && !all.is_split());
    }
}

#[test]
fn other_batches_are_encoded_when_a_frame_is_needed() {
    let a = text("a");
    let (stream, other) = (("stream", "p", &a[..]), ("stream", "q", &a[..]));
    for lines in [&[stream][..], &[stream, other], &[stream, ("error", "p", "{}")]] {
        let encoded = encoded(lines, Protocol::V1);
        assert!(encoded.source_if_any().is_none());
        assert!(encoded.frame(0).is_of(encoded.source()));
    }
}

#[test]
fn a_refused_text_is_in_no_row() {
    let a = text("a");
    let mut batch = batch("iopub", &[("stream", "p", &a[..]); 3]);
    let mut parts = batch.parts(&batch.messages()[2]).to_vec();
    parts[2] = Bytes::from_static(b"{");
    batch.rewrite(2, parts, false).unwrap();
    let [v1, legacy] = [Protocol::V1, Protocol::Legacy].map(|protocol| testing::encoded(&batch, protocol));
    assert!(v1.is_one_row() && v1.refused().is_empty());
    assert!(!legacy.is_one_row());
    assert_eq!([0, 1, 2].map(|index| legacy.is_refused(index)), [false, false, true]);
    assert_eq!(legacy.refused().len(), 1);
}

#[test]
fn a_text_that_legacy_clients_get_otherwise_is_in_no_row() {
    let a = text("a");
    let mut rewritten = batch("iopub", &[("stream", "p", &a[..]); 3]);
    let parts = rewritten.parts(&rewritten.messages()[1]).to_vec();
    rewritten.rewrite(1, parts, true).unwrap();
    assert!(testing::encoded(&rewritten, Protocol::V1).is_one_row());
    assert!(!testing::encoded(&rewritten, Protocol::Legacy).is_one_row());
    let mut broken = batch("iopub", &[("stream", "p", &a[..]); 3]);
    let mut parts = broken.parts(&broken.messages()[1]).to_vec();
    parts[3] = Bytes::from_static(b"{\"name\":\"stdout\",\"text\":\"\xff\"}");
    broken.rewrite(1, parts, false).unwrap();
    assert!(testing::encoded(&broken, Protocol::V1).is_one_row());
    assert!(!testing::encoded(&broken, Protocol::Legacy).is_one_row());
}

#[test]
fn a_flood_that_is_merged_is_not_encoded() {
    let a = text("a");
    let lines = [("stream", "p", &a[..]); 5];
    let mut outbox = Outbox::new(Protocol::V1, MERGING);
    outbox.detach(false);
    for number in 0..3 {
        let encoded = encoded(&lines, Protocol::V1);
        outbox.append(&encoded, 0, 5, 0.0);
        assert!(encoded.source_if_any().is_none(), "{number}");
    }
    assert_eq!(outbox.stats().merged, 14);
    let mut separate = Outbox::new(Protocol::V1, Config::UNLIMITED);
    let encoded = encoded(&lines, Protocol::V1);
    separate.append(&encoded, 0, 5, 0.0);
    let Taken::Frames(frames) = separate.take(0.0, u64::MAX) else {
        panic!("no frames");
    };
    assert!(frames.whole().is_some(), "all frames are written at once");
}

#[test]
fn what_was_encoded_alone_is_not_kept_twice_if_it_is_most_of_the_batch() {
    let large = text(&"x".repeat(60_000));
    let lines = [("stream", "p", &large[..]), ("stream", "p", &large)];
    let [mut outbox, mut second] = [Outbox::new(Protocol::V1, MERGING), Outbox::new(Protocol::V1, MERGING)];
    let encoded = testing::encoded(&long_metadata(&lines), Protocol::V1);
    for outbox in [&mut outbox, &mut second] {
        outbox.detach(false);
        outbox.append(&encoded, 0, 2, 0.0);
    }
    assert_eq!(outbox.stats().merged, 0);
    assert!(encoded.is_split());
    // The first frame is large, the second is less than half of both
    assert_eq!(Arc::strong_count(encoded.source()), 1);
}

/// A batch whose first message has a long metadata.
fn long_metadata(lines: &[Line<'_>]) -> Batch {
    let mut batch = batch("iopub", lines);
    let mut parts = batch.parts(&batch.messages()[0]).to_vec();
    parts[2] = Bytes::from(format!(r#"{{"a":"{}"}}"#, "x".repeat(100_000)));
    batch.rewrite(0, parts, false).unwrap();
    batch
}

#[test]
fn an_outbox_that_cannot_encode_a_batch_fails_and_the_next_one_encodes_it() {
    static FAILS: AtomicBool = AtomicBool::new(true);
    let pack = |gather: Gather<'_>| {
        assert!(!FAILS.swap(false, Ordering::Relaxed), "no memory");
        Source::new(Bytes::from(gather.into_vec()), None)
    };
    let batch = Arc::new(batch("iopub", &[("error", "p", "{}"), ("error", "p", "{}")]));
    let encoded = Encoded::new(batch, Protocol::V1, pack);
    let [mut failed, mut next] = [0, 1].map(|_| Guarded::new(Outbox::new(Protocol::V1, MERGING)));
    assert!(failed.with(|outbox| outbox.append(&encoded, 0, 2, 0.0)).is_err());
    assert!(next.with(|outbox| outbox.append(&encoded, 0, 2, 0.0)).is_ok());
    assert!(
        next.with(|outbox| outbox.stats().waiting)
            .is_ok_and(|waiting| waiting == 2)
    );
}

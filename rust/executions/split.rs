//! Splits a `stream` message with more text than a log keeps, so that its beginning and its end can be kept.
//!
//! Must not split between the bytes of a character. Cost: one pass over the text, one copy of it, and for each part a copy of the
//! headers.

use bytes::Bytes;

use super::characters::boundaries;
use crate::flow::frame::Frame;
use crate::flow::merge;
use crate::kernel_wire::signature::SIGNED_PARTS;
use crate::reader::wide;

/// A part of a message.
pub struct Part {
    /// The message with this part of the text, encoded for v1.
    pub frame: Frame,
    /// Bytes of its text.
    pub text: u64,
}

/// The message in parts of at most `size` bytes of text, but at least one character. None: its content is not that of a `stream`,
/// or there is so much besides the text that its copies would take much memory.
pub fn split(parts: &[Bytes], size: u64) -> Option<impl Iterator<Item = Part>> {
    let parts = parts.get(..SIGNED_PARTS)?;
    let content = parts.get(3)?;
    let place = merge::text_range(content)?;
    let (before, after) = (content.get(..place.start)?, content.get(place.end..)?);
    let mut left = content.get(place)?;
    let all: usize = parts.iter().map(Bytes::len).sum();
    (all - left.len() <= MOST_BESIDES).then(|| {
        std::iter::from_fn(move || {
            let (whole, next) = boundaries(left, size);
            let cut = if whole > 0 { whole } else { next };
            let (text, rest) = left.split_at_checked(cut).filter(|(text, _)| !text.is_empty())?;
            left = rest;
            Some(Part {
                frame: encoded(parts, Bytes::from([before, text, after].concat())),
                text: wide(text.len()),
            })
        })
    })
}

fn encoded(parts: &[Bytes], content: Bytes) -> Frame {
    let mut parts = parts.to_vec();
    if let Some(old) = parts.get_mut(3) {
        *old = content;
    }
    Frame::of_parts("iopub", &parts)
}

/// The most bytes besides its text that a message may have to be split. Usually it has some 600.
const MOST_BESIDES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_wire::v1;
    use crate::flow::testing::text;

    fn texts(content: &str, size: u64) -> Vec<u64> {
        let parts = ["{}", "{}", "{}", content].map(|part| Bytes::from(part.to_owned()));
        let split: Vec<Part> = split(&parts, size).unwrap().collect();
        let whole: Vec<u8> = split
            .iter()
            .flat_map(|part| {
                let payload = part.frame.shared_payload();
                let content = v1::decode(&payload, false, u64::MAX).unwrap().parts.swap_remove(3);
                let place = merge::text_range(&content).unwrap();
                content[place].to_vec()
            })
            .collect();
        assert_eq!(
            whole,
            &content.as_bytes()[merge::text_range(content.as_bytes()).unwrap()]
        );
        split.iter().map(|part| part.text).collect()
    }

    #[test]
    fn the_parts_are_the_whole_text() {
        assert_eq!(texts(&text("aaaaabbbbbcc"), 5), [5, 5, 2]);
        assert_eq!(texts(&text("aaaaa"), 5), [5]);
    }

    #[test]
    fn no_character_is_split() {
        assert_eq!(texts(&text(r"a\n\n\u00e9b"), 4), [3, 2, 6, 1]);
        assert_eq!(texts(&text("éé"), 1), [2, 2]);
        assert_eq!(texts(&text(r"\ud83d\ude00x"), 3), [12, 1]);
    }

    #[test]
    fn neither_buffers_nor_large_headers_are_copied_to_each_part() {
        let buffer = "b".repeat(100_000);
        let content = text("aaaaa");
        let parts = ["{}", "{}", "{}", &content, &buffer].map(|part| Bytes::from(part.to_owned()));
        assert!(split(&parts, 1).unwrap().all(|part| part.frame.len() < 150));
        let parts = ["{}", &buffer, "{}", &content].map(|part| Bytes::from(part.to_owned()));
        assert!(split(&parts, 1).is_none());
    }

    #[test]
    fn a_long_text_is_split_whatever_its_length_and_a_header_of_usual_length_is_copied() {
        let (content, header) = (text(&"a".repeat(50_000)), "h".repeat(5000));
        let parts = [&header, "{}", "{}", &content].map(|part| Bytes::from(part.to_owned()));
        assert_eq!(split(&parts, 10_000).unwrap().count(), 5);
        let parts = [&"h".repeat(20_000), "{}", "{}", &content].map(|part| Bytes::from(part.to_owned()));
        assert!(split(&parts, 10_000).is_none(), "that would be copied to each part");
    }

    #[test]
    fn what_is_not_a_stream_is_not_split() {
        let parts = ["{}", "{}", "{}", r#"{"text":1}"#].map(|part| Bytes::from(part.to_owned()));
        assert!(split(&parts, 5).is_none());
    }
}

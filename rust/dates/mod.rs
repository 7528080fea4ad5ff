//! The dates of header and parent_header, as legacy clients have always seen them.
//!
//! Stock parses every string value there that looks like an ISO 8601 date (`jupyter_client.jsonutil.extract_dates`) and
//! prints it again, so clients see one spelling: microseconds with six digits or none, a zone as `+HH:MM` or `Z`.
//! Here such strings are replaced in the text, and ordinary ones are in that spelling already. A date without a zone
//! depends on where the server is: it is reported, not replaced. What only looks like a date is left alone, where stock
//! gives up. Cost: one scan; a copy only where a date changes.

mod date;

use std::borrow::Cow;
use std::ops::Range;

use self::date::Date;
use crate::json::{self, Fault, Visit};

/// A JSON text with its dates replaced.
pub fn normalised(text: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, Fault> {
    let mut dates = Dates::of(&text);
    json::walk(&text, &mut dates)?;
    Ok(match dates.replaced() {
        Some(text) => Cow::Owned(text),
        None => text,
    })
}

/// Finds and replaces the dates of a text while it is walked over.
#[derive(Debug)]
pub struct Dates<'a> {
    text: &'a [u8],
    /// The text up to `done`, once something was replaced.
    new: Vec<u8>,
    done: usize,
}

impl<'a> Dates<'a> {
    /// For a walk over `text`.
    pub fn of(text: &'a [u8]) -> Self {
        Self {
            text,
            new: Vec::new(),
            done: 0,
        }
    }

    /// After the walk: the text with its dates replaced, or None if it stays as it is.
    pub fn replaced(mut self) -> Option<Vec<u8>> {
        if self.done == 0 {
            return None;
        }
        self.new
            .extend_from_slice(self.text.get(self.done..).unwrap_or_default());
        Some(self.new)
    }

    fn replace(&mut self, raw: Range<usize>, date: &[u8]) {
        let before = self.text.get(self.done..raw.start).unwrap_or_default();
        self.new.extend_from_slice(before);
        self.new.extend_from_slice(&[b"\"", date, b"\""].concat());
        self.done = raw.end;
    }
}

impl Visit for Dates<'_> {
    fn text(&mut self, raw: Range<usize>) {
        let text = self.text.get(raw.clone()).unwrap_or_default();
        if let Some(date) = find(text).filter(Date::is_zoned) {
            let spelled = date.spelled();
            if text.get(1..text.len() - 1) != Some(&spelled) {
                self.replace(raw, &spelled);
            }
        }
    }
}

/// Whether a string, with its quotes, is a date without a zone.
pub fn is_naive(raw: &[u8]) -> bool {
    find(raw).is_some_and(|date| !date.is_zoned())
}

fn find(raw: &[u8]) -> Option<Date> {
    if !may_be_date(raw) {
        return None;
    }
    Date::parse(json::decode_string(raw)?.as_bytes())
}

/// A quick look at a string with its quotes: most are no dates.
fn may_be_date(raw: &[u8]) -> bool {
    match raw.get(1) {
        Some(b'0'..=b'9') if raw.get(5) == Some(&b'-') && LENGTHS.contains(&raw.len()) => true,
        // Each of its characters may be written as an escape of six
        Some(b'0'..=b'9' | b'\\') => raw.len() <= 2 + 6 * LENGTHS.end() && raw.contains(&b'\\'),
        _ => false,
    }
}

/// From seconds without a zone to microseconds with one, in quotes.
const LENGTHS: std::ops::RangeInclusive<usize> = 21..=34;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(date: &str) -> String {
        let text = format!("{{\"k\":[\"{date}\"]}}");
        let shown = normalised(Cow::Borrowed(text.as_bytes())).unwrap().into_owned();
        let shown = String::from_utf8(shown).unwrap();
        shown
            .trim_start_matches("{\"k\":[\"")
            .trim_end_matches("\"]}")
            .to_owned()
    }

    #[test]
    fn dates_are_shown_as_stock_shows_them() {
        for (date, expected) in [
            ("2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z"),
            ("2026-02-03T04:05:06.100Z", "2026-02-03T04:05:06.100000Z"),
            ("2026-02-03T04:05:06.000Z", "2026-02-03T04:05:06Z"),
            ("2026-02-03T04:05:06.000001+00:00", "2026-02-03T04:05:06.000001Z"),
            ("2026-02-03T04:05:06-0000", "2026-02-03T04:05:06Z"),
            ("2026-02-03T04:05:06+0530", "2026-02-03T04:05:06+05:30"),
            ("2026-02-03T04:05:06.5-01:00", "2026-02-03T04:05:06.500000-01:00"),
            ("2024-02-28T24:00:00Z", "2024-02-29T00:00:00Z"),
            ("2025-12-31T24:00:00.000Z", "2026-01-01T00:00:00Z"),
            ("2025-06-30T24:00:00Z", "2025-07-01T00:00:00Z"),
            ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"),
            (r"2026-02-03T04:05:06\u005a", "2026-02-03T04:05:06Z"),
            (r"\u0032026-02-03T04:05:06.1Z", "2026-02-03T04:05:06.100000Z"),
        ] {
            assert_eq!(shown(date), expected, "{date}");
        }
    }

    #[test]
    fn what_is_no_date_stays_as_it_is() {
        // Each would be respelled if it were one
        for text in [
            "2026-02-03",
            "2026-02-03T04:05Z",
            "2026-02-03 04:05:06Z",
            "2026-02-03T04:05:06.1234567Z",
            "2026-02-03T04:05:06.Z",
            "2026-02-03T04:05:06z",
            "2026-02-03T04:05:06+5",
            "2026-02-03T04:05:06+05",
            "2026-02-03T04:05:06+05:3",
            "2026-02-03T04:05:06+05:300",
            "2026-02-03T04:05:06+2400",
            "2026-02-03T04:05:06+0060",
            "2026-13-03T04:05:06+0000",
            "2026-00-03T04:05:06+0000",
            "2026-04-31T04:05:06+0000",
            "2026-04-00T04:05:06+0000",
            "2100-02-29T04:05:06+0000",
            "2023-02-29T04:05:06+0000",
            "0000-01-01T04:05:06+0000",
            "2026-02-03T25:05:06+0000",
            "2026-02-03T24:00:01Z",
            "2026-02-03T24:00:00.1Z",
            "9999-12-31T24:00:00Z",
            "2026-02-03T04:60:06+0000",
            "2026-02-03T04:05:60+0000",
            "2026-02-03T04:05:06Z ",
            r"2026-02-03T04:05:06Z\n",
            "x2026-02-03T04:05:06Z",
            "+026-02-03T04:05:06Z",
        ] {
            assert_eq!(shown(text), text);
            assert!(!is_naive(format!("\"{text}\"").as_bytes()), "{text}");
        }
    }

    #[test]
    fn dates_are_found_in_every_value_and_in_no_key() {
        let text =
            r#"{"2026-02-03T04:05:06.1Z" : ["2026-02-03T04:05:06.1Z", {"a":"2026-02-03T04:05:06+0000"}] ,"b":1}"#;
        let expected =
            r#"{"2026-02-03T04:05:06.1Z" : ["2026-02-03T04:05:06.100000Z", {"a":"2026-02-03T04:05:06Z"}] ,"b":1}"#;
        assert_eq!(normalised(text.as_bytes().into()).unwrap(), expected.as_bytes());
        assert_eq!(
            normalised(b"\"2026-02-03T04:05:06.1Z\"".into()).unwrap(),
            &b"\"2026-02-03T04:05:06.100000Z\""[..]
        );
        assert!(matches!(
            normalised(b"{\"d\":\"2026-02-03T04:05:06Z\"}".into()),
            Ok(Cow::Borrowed(_))
        ));
        assert_eq!(normalised(b"{".into()), Err(Fault::Syntax(1)));
    }

    #[test]
    fn a_date_without_a_zone_is_reported_and_left_alone() {
        for date in ["2026-02-03T04:05:06", "2026-02-03T04:05:06.123", "2026-02-03T24:00:00"] {
            assert_eq!(shown(date), date);
            assert!(is_naive(format!("\"{date}\"").as_bytes()), "{date}");
        }
        assert!(!is_naive(b"\"2026-02-30T04:05:06\""), "no such day");
        assert!(!is_naive(b"\"2026-02-03T04:05:06Z\""));
    }
}

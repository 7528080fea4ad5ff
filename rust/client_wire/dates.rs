//! The dates of header and parent_header, as legacy clients have always seen them.
//!
//! Stock parses every string value there that looks like an ISO 8601 date (`jupyter_client.jsonutil.extract_dates`) and
//! prints it again, so clients see one spelling: microseconds with six digits or none, a zone as `+HH:MM` or `Z`.
//! Here such strings are replaced in the text, and ordinary ones are in that spelling already. A date without a zone
//! depends on where the server is: it is reported, not replaced. What only looks like a date is left alone, where stock
//! gives up. Cost: one scan; a copy only where a date changes.

use std::borrow::Cow;
use std::ops::Range;

use crate::json::{self, Fault, Visit};
use crate::reader::Reader;

/// Whether a JSON text has a date without a zone.
pub fn has_naive(text: &[u8]) -> bool {
    let mut dates = Dates::of(text);
    json::walk(text, &mut dates).is_ok() && dates.naive
}

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
    naive: bool,
}

impl<'a> Dates<'a> {
    /// For a walk over `text`.
    pub fn of(text: &'a [u8]) -> Self {
        Self {
            text,
            new: Vec::new(),
            done: 0,
            naive: false,
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

    fn replace(&mut self, range: Range<usize>, date: &str) {
        if self
            .text
            .get(range.clone())
            .and_then(|raw| raw.strip_prefix(b"\"")?.strip_suffix(b"\""))
            == Some(date.as_bytes())
        {
            return;
        }
        self.new
            .extend_from_slice(self.text.get(self.done..range.start).unwrap_or_default());
        self.new.extend_from_slice(format!("\"{date}\"").as_bytes());
        self.done = range.end;
    }
}

impl Visit for Dates<'_> {
    fn text(&mut self, raw: Range<usize>) {
        let Some(bytes) = self.text.get(raw.clone()) else {
            return;
        };
        if !may_be_date(bytes) {
            return;
        }
        match json::decode_string(bytes).and_then(|text| Date::parse(text.as_bytes())) {
            Some(Date { zone: None, .. }) => self.naive = true,
            Some(date) => self.replace(raw, &date.to_string()),
            None => {}
        }
    }
}

/// A quick look at a string with its quotes: most are no dates.
fn may_be_date(raw: &[u8]) -> bool {
    let plain = LENGTHS.contains(&raw.len()) && raw.get(5) == Some(&b'-');
    // Each of its characters may be written as an escape of six
    plain || (raw.len() <= 2 + 6 * LENGTHS.end() && raw.contains(&b'\\'))
}

/// A date that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: u16,
    month: u16,
    day: u16,
    time: [u16; 3],
    micros: u32,
    /// Minutes east of UTC, or None without a zone.
    zone: Option<(Side, u16)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    East,
    West,
}

impl Date {
    /// `YYYY-MM-DDThh:mm:ss[.f][Z|+hh[:]mm]`, and nothing else that ISO 8601 allows.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut left = Reader::new(text);
        let year = digits::<4>(&mut left)?;
        let month = after(&mut left, b'-')?;
        let day = after(&mut left, b'-')?;
        let time = [
            after(&mut left, b'T')?,
            after(&mut left, b':')?,
            after(&mut left, b':')?,
        ];
        let tail = left.rest();
        let (micros, tail) = fraction(tail)?;
        let zone = if tail.is_empty() { None } else { Some(zone(tail)?) };
        Self {
            year,
            month,
            day,
            time,
            micros,
            zone,
        }
        .checked()
    }

    fn checked(self) -> Option<Self> {
        let valid_day = self.year > 0 && (1..=days_of(self.year, self.month)).contains(&self.day);
        match self.time {
            [24, 0, 0] if valid_day && self.micros == 0 => Self {
                time: [0, 0, 0],
                ..self
            }
            .next_day(),
            [0..=23, 0..=59, 0..=59] if valid_day => Some(self),
            _ => None,
        }
    }

    /// Midnight at the end of a day is that at the start of the next, if there is one.
    fn next_day(self) -> Option<Self> {
        match (self.year, self.month, self.day) {
            (9999, 12, 31) => None,
            (year, 12, 31) => Some(Self {
                year: year + 1,
                month: 1,
                day: 1,
                ..self
            }),
            (year, month, day) if day == days_of(year, month) => Some(Self {
                month: month + 1,
                day: 1,
                ..self
            }),
            (_, _, day) => Some(Self { day: day + 1, ..self }),
        }
    }
}

impl std::fmt::Display for Date {
    /// As Python's `isoformat()` with `Z` for UTC.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [hour, minute, second] = self.time;
        write!(
            f,
            "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}",
            self.year, self.month, self.day
        )?;
        if self.micros > 0 {
            write!(f, ".{:06}", self.micros)?;
        }
        match self.zone {
            None => Ok(()),
            Some((_, 0)) => f.write_str("Z"),
            Some((Side::East, minutes)) => write!(f, "+{:02}:{:02}", minutes / 60, minutes % 60),
            Some((Side::West, minutes)) => write!(f, "-{:02}:{:02}", minutes / 60, minutes % 60),
        }
    }
}

fn digits<const N: usize>(left: &mut Reader<'_>) -> Option<u16> {
    left.take_array::<N>().ok()?.into_iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u16::from(digit - b'0'))
    })
}

fn after(left: &mut Reader<'_>, separator: u8) -> Option<u16> {
    if left.take_array().ok()? == [separator] {
        digits::<2>(left)
    } else {
        None
    }
}

/// Microseconds, and what follows them: one to six digits after a point, or nothing.
fn fraction(tail: &[u8]) -> Option<(u32, &[u8])> {
    let Some(tail) = tail.strip_prefix(b".") else {
        return Some((0, tail));
    };
    let count = tail
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(tail.len());
    let (fraction, tail) = tail.split_at_checked(count)?;
    let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    let micros = padded.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    (1..=6).contains(&count).then_some((micros, tail))
}

/// `Z` or `+hh[:]mm`.
fn zone(tail: &[u8]) -> Option<(Side, u16)> {
    let (side, tail) = match tail {
        b"Z" => return Some((Side::East, 0)),
        [b'+', tail @ ..] => (Side::East, tail),
        [b'-', tail @ ..] => (Side::West, tail),
        _ => return None,
    };
    let mut left = Reader::new(tail);
    let hours = digits::<2>(&mut left)?;
    let mut left = Reader::new(left.rest());
    let minutes = if left.len() == 3 {
        after(&mut left, b':')?
    } else {
        digits::<2>(&mut left)?
    };
    (left.is_empty() && hours < 24 && minutes < 60).then_some((side, hours * 60 + minutes))
}

fn days_of(year: u16, month: u16) -> u16 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 0,
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
            "2026-02-03T04:05:06+24:00",
            "2026-02-03T04:05:06+00:60",
            "2026-13-03T04:05:06Z",
            "2026-00-03T04:05:06Z",
            "2026-04-31T04:05:06Z",
            "2026-04-00T04:05:06Z",
            "2100-02-29T04:05:06Z",
            "0000-01-01T04:05:06Z",
            "2026-02-03T25:05:06Z",
            "2026-02-03T24:00:01Z",
            "2026-02-03T24:00:00.1Z",
            "9999-12-31T24:00:00Z",
            "2026-02-03T04:60:06Z",
            "2026-02-03T04:05:60Z",
            "2026-02-03T04:05:06Z ",
            r"2026-02-03T04:05:06Z\n",
            "x2026-02-03T04:05:06Z",
            "+026-02-03T04:05:06Z",
        ] {
            assert_eq!(shown(text), text);
            assert!(!has_naive(format!("\"{text}\"").as_bytes()), "{text}");
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
            assert!(has_naive(format!("{{\"a\":[0,{{\"b\":\"{date}\"}}]}}").as_bytes()));
            assert!(!has_naive(format!("{{\"{date}\":0}}").as_bytes()));
            assert!(!has_naive(format!("[\"{date}\"").as_bytes()), "not JSON");
        }
        assert!(!has_naive(b"\"2026-02-30T04:05:06\""), "no such day");
        assert!(!has_naive(b"\"2026-02-03T04:05:06Z\""));
    }
}

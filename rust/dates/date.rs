//! One date as `jupyter_client` recognises it: parsing, and the one spelling that clients see.

use crate::reader::Reader;

/// A date that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    year: u16,
    month: u16,
    day: u16,
    time: [u16; 3],
    /// Microseconds, two digits each.
    micros: [u16; 3],
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
    pub fn parse(text: &[u8]) -> Option<Self> {
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

    /// Whether it has a time zone.
    pub fn is_zoned(&self) -> bool {
        self.zone.is_some()
    }

    fn checked(self) -> Option<Self> {
        let valid_day = self.year > 0 && (1..=days_of(self.year, self.month)).contains(&self.day);
        match self.time {
            [24, 0, 0] if valid_day && self.micros == [0; 3] => Self {
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

    /// As Python's `isoformat()` with `Z` for UTC. By hand, since `fmt` takes longer than the rest of a message.
    pub fn spelled(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LONGEST);
        push2(&mut out, self.year / 100);
        push2(&mut out, self.year % 100);
        let [hour, minute, second] = self.time;
        for (mark, number) in [
            (b'-', self.month),
            (b'-', self.day),
            (b'T', hour),
            (b':', minute),
            (b':', second),
        ] {
            out.push(mark);
            push2(&mut out, number);
        }
        if self.micros != [0; 3] {
            out.push(b'.');
            self.micros.into_iter().for_each(|pair| push2(&mut out, pair));
        }
        match self.zone {
            None => {}
            Some((_, 0)) => out.push(b'Z'),
            Some((side, minutes)) => {
                out.push(if side == Side::East { b'+' } else { b'-' });
                push2(&mut out, minutes / 60);
                out.push(b':');
                push2(&mut out, minutes % 60);
            }
        }
        out
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
fn fraction(tail: &[u8]) -> Option<([u16; 3], &[u8])> {
    let Some(tail) = tail.strip_prefix(b".") else {
        return Some(([0; 3], tail));
    };
    let count = tail
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(tail.len());
    if !(1..=6).contains(&count) {
        return None;
    }
    let (fraction, tail) = tail.split_at_checked(count)?;
    let mut digits = fraction
        .iter()
        .map(|digit| u16::from(digit - b'0'))
        .chain(std::iter::repeat(0));
    let mut pair = || Some(digits.next()? * 10 + digits.next()?);
    Some(([pair()?, pair()?, pair()?], tail))
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
/// Two digits of a number below 100.
fn push2(out: &mut Vec<u8>, number: u16) {
    for digit in [number / 10, number % 10] {
        out.push(b'0' + u8::try_from(digit % 10).unwrap_or_default());
    }
}

/// With microseconds and a zone.
const LONGEST: usize = 32;

//! The state machine behind `check` and `members`: one pass, no recursion, no allocation.
//!
//! The text is read through `get` only, so a text that ends too early is a fault, not a panic.

use std::ops::Range;

use crate::error::Malformed;
use crate::reader::wide;

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `{...}`
    Object,
    /// `[...]`
    Array,
    /// `"..."`
    String,
    /// `null`
    Null,
    /// A number, `true` or `false`.
    Other,
}

/// Why a text is not the expected JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not JSON. The number is the position of the first wrong byte.
    Syntax(usize),
    /// More than `MAX_DEPTH` nested arrays and objects.
    TooDeep,
    /// JSON, but not an object.
    NotObject,
}

impl Fault {
    /// The `Malformed` of a message that has this fault in `part`.
    pub fn of(self, part: &'static str) -> Malformed {
        match self {
            Self::Syntax(at) => Malformed::NotJson { part, at: wide(at) },
            Self::TooDeep => Malformed::TooDeep(part),
            Self::NotObject => Malformed::NotObject(part),
        }
    }
}

/// Checks one JSON value and returns its kind. For each member of a top-level object, in order, calls `member` with the
/// ranges of the key, without its quotes, and of the value; for each element of a top-level array with None and the value. The
/// function has 50 lines because it is one state machine: the outer loop reads a value, the inner loop what comes after it.
pub fn walk(bytes: &[u8], mut member: impl FnMut(Option<Range<usize>>, Range<usize>)) -> Result<ValueKind, Fault> {
    let mut scan = Scanner { bytes, at: 0 };
    let mut open = Nesting::default();
    let mut key = 0..0;
    let mut value = 0;
    scan.skip_space();
    let kind = ValueKind::of(scan.peek());
    loop {
        if open.depth == 1 {
            value = scan.at;
        }
        match scan.peek() {
            Some(b'{') => {
                open.push(true)?;
                scan.at += 1;
                scan.skip_space();
                if !scan.eat(b'}') {
                    scan.key(&mut key, open.depth)?;
                    continue;
                }
                open.pop();
            }
            Some(b'[') => {
                open.push(false)?;
                scan.at += 1;
                scan.skip_space();
                if !scan.eat(b']') {
                    continue;
                }
                open.pop();
            }
            Some(b'"') => scan.string()?,
            _ => scan.scalar()?,
        }
        // A value has ended. A closing bracket after it ends the container, which is a value too
        loop {
            if open.depth == 1 {
                member(open.in_object.then(|| key.clone()), value..scan.at);
            }
            scan.skip_space();
            if open.depth == 0 {
                return if scan.peek().is_none() {
                    Ok(kind)
                } else {
                    Err(scan.fault())
                };
            }
            match scan.peek() {
                Some(b',') => {
                    scan.at += 1;
                    scan.skip_space();
                    if open.in_object {
                        scan.key(&mut key, open.depth)?;
                    }
                    break;
                }
                Some(b'}') if open.in_object => scan.at += 1,
                Some(b']') if !open.in_object => scan.at += 1,
                _ => return Err(scan.fault()),
            }
            open.pop();
        }
    }
}

impl ValueKind {
    fn of(first: Option<u8>) -> Self {
        match first {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::String,
            Some(b'n') => Self::Null,
            _ => Self::Other,
        }
    }
}

/// The open arrays and objects: a bit for each, set for an object.
#[derive(Default)]
struct Nesting {
    objects: [u64; MAX_DEPTH / 64],
    depth: usize,
    in_object: bool,
}

impl Nesting {
    fn push(&mut self, object: bool) -> Result<(), Fault> {
        let word = self.objects.get_mut(self.depth / 64).ok_or(Fault::TooDeep)?;
        let bit = 1 << (self.depth % 64);
        *word = if object { *word | bit } else { *word & !bit };
        self.depth += 1;
        self.in_object = object;
        Ok(())
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        let outer = self.depth.saturating_sub(1);
        self.in_object = self
            .objects
            .get(outer / 64)
            .is_some_and(|word| word >> (outer % 64) & 1 == 1);
    }
}

/// A position in the untrusted text.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault(&self) -> Fault {
        Fault::Syntax(self.at)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Reads a key and its colon. Afterwards the position is at the value. `key`: that of the last top-level member.
    fn key(&mut self, key: &mut Range<usize>, depth: usize) -> Result<(), Fault> {
        let start = self.at + 1;
        self.string()?;
        let end = self.at - 1;
        self.skip_space();
        if !self.eat(b':') {
            return Err(self.fault());
        }
        self.skip_space();
        if depth == 1 {
            *key = start..end;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        if !self.eat(b'"') {
            return Err(self.fault());
        }
        loop {
            self.at += plain_run(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.fault()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let four_digits = self.at + 2..self.at + 6;
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u')
                if self
                    .bytes
                    .get(four_digits)
                    .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) =>
            {
                self.at += 6;
            }
            _ => return Err(self.fault()),
        }
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'N') => self.word(b"NaN"),
            Some(b'I') => self.word(b"Infinity"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        if !self.bytes.get(self.at..).is_some_and(|left| left.starts_with(word)) {
            return Err(self.fault());
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.eat(b'-') && self.peek() == Some(b'I') {
            return self.word(b"Infinity");
        }
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(self.fault()) }
    }
}

/// How many bytes at the start of `text` are neither quote, backslash nor control character.
fn plain_run(text: &[u8]) -> usize {
    let mut left = text;
    while let Some((eight, tail)) = left.split_first_chunk::<8>() {
        let hits = not_plain(u64::from_le_bytes(*eight));
        if hits != 0 {
            // Less than 8, so the conversion cannot fail
            let first = usize::try_from(hits.trailing_zeros() / 8).unwrap_or_default();
            return text.len() - left.len() + first;
        }
        left = tail;
    }
    let last = left
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
        .unwrap_or(left.len());
    text.len() - left.len() + last
}

/// Sets the high bit of each byte that is a quote, a backslash or a control character. A borrow in a subtraction can set a
/// wrong bit too, but only above a right one, so the lowest bit is always right.
const fn not_plain(word: u64) -> u64 {
    let quote = word ^ (EACH * 0x22);
    let slash = word ^ (EACH * 0x5c);
    let hits = (word.wrapping_sub(EACH * 0x20) & !word)
        | (quote.wrapping_sub(EACH) & !quote)
        | (slash.wrapping_sub(EACH) & !slash);
    hits & (EACH * 0x80)
}

/// The most nested arrays and objects. Python's own limit is near 1000, less when its stack is already deep. A multiple of
/// 64, because each level is a bit.
pub const MAX_DEPTH: usize = 512;

const EACH: u64 = 0x0101_0101_0101_0101;

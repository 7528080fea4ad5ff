//! Decodes the few strings that the core reads (keys, `msg_type`, ids), and writes those of its own messages.

use std::borrow::Cow;

/// The text of a well-formed JSON string with its quotes, or None if `raw` is another kind of value. Lone surrogates and
/// bytes that are not UTF-8 become U+FFFD.
pub fn decode_string(raw: &[u8]) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        Some(Cow::Owned(unescape(inner)))
    } else {
        Some(lossy_text(inner))
    }
}

/// The text as UTF-8: bytes that are not UTF-8 become U+FFFD.
pub fn lossy(text: &[u8]) -> Cow<'_, [u8]> {
    match lossy_text(text) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Tries `from_utf8` first, which is many times faster than `from_utf8_lossy` and nearly always succeeds.
fn lossy_text(text: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text), Cow::Borrowed)
}

/// A string as JSON.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\0'..' ' => out.extend(format!("\\u{:04x}", u32::from(char)).chars()),
            _ => out.push(char),
        }
    }
    out.push('"');
    out
}

/// Decodes a key. `inner`: the bytes between its quotes.
pub fn key(inner: &[u8]) -> Cow<'_, [u8]> {
    if inner.contains(&b'\\') {
        Cow::Owned(unescape(inner).into_bytes())
    } else {
        Cow::Borrowed(inner)
    }
}

/// Decodes the text between the quotes of a well-formed string.
fn unescape(inner: &[u8]) -> String {
    let mut out = Vec::with_capacity(inner.len());
    let mut left = inner;
    while let Some(cut) = left.iter().position(|byte| *byte == b'\\') {
        let (plain, escaped) = left.split_at_checked(cut).unwrap_or((left, b""));
        out.extend_from_slice(plain);
        left = unescape_one(escaped, &mut out);
    }
    out.extend_from_slice(left);
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Decodes the escape at the start of `escaped`, and returns the bytes after it.
fn unescape_one<'a>(escaped: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let plain = match escaped.get(1) {
        Some(b'u') => return unescape_unicode(escaped, out),
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(other) => *other,
        None => return b"",
    };
    out.push(plain);
    escaped.get(2..).unwrap_or_default()
}

fn unescape_unicode<'a>(escaped: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let high = code_unit(escaped).unwrap_or(REPLACED);
    let mut left = escaped.get(6..).unwrap_or_default();
    let mut units = vec![high];
    if let (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) = (high, code_unit(left)) {
        units.push(low);
        left = left.get(6..).unwrap_or_default();
    }
    out.extend_from_slice(String::from_utf16_lossy(&units).as_bytes());
    left
}

/// The number in `\uXXXX` at the start of `escaped`. None: it starts with something else.
fn code_unit(escaped: &[u8]) -> Option<u16> {
    let hex = escaped.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

/// U+FFFD, which replaces a lone surrogate.
const REPLACED: u16 = 0xfffd;

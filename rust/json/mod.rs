//! A scanner for one JSON value, with the grammar of Python's `json.loads`.
//!
//! It says whether a text is well-formed and where its top-level members are; it builds no value and converts no
//! number. Kernels, clients and the server agree on what Python reads, so that is the grammar: `NaN`, `Infinity` and
//! `-Infinity` are legal, lone surrogates (`\ud800`) are legal, numbers have any length, control characters in strings
//! are not legal, a byte order mark is not legal. Bytes that are not UTF-8 may stand in strings: `jupyter_client`
//! replaces them when it decodes.
//!
//! `serde_json` cannot take its place: it refuses `NaN`, and its `RawValue` refuses what is not UTF-8.
//!
//! Strategy: one loop instead of recursion, one bit of memory for each open container, eight bytes at a time inside
//! strings. Cost: one pass, no allocation; hostile nesting ends at `MAX_DEPTH`.

mod scanner;
mod string;
#[cfg(test)]
mod tests;

pub use scanner::{Fault, MAX_DEPTH, ValueKind, walk};
pub use string::{decode_string, lossy};

/// Whether `bytes` is one JSON value, and which kind.
pub fn check(bytes: &[u8]) -> Result<ValueKind, Fault> {
    walk(bytes, |_, _| {})
}

/// Reports the members of the object `bytes`: decoded key, and value as it was written. Of duplicate keys the last one
/// counts, so a visitor overwrites what it was told before.
pub fn members<'a>(bytes: &'a [u8], mut visit: impl FnMut(&[u8], &'a [u8])) -> Result<(), Fault> {
    let at = |range| bytes.get(range).unwrap_or_default();
    match walk(bytes, |key, value| visit(&string::key(at(key)), at(value)))? {
        ValueKind::Object => Ok(()),
        _ => Err(Fault::NotObject),
    }
}

/// Whether the well-formed value `raw` is `[]`, `{}` or `""`.
pub fn is_empty(raw: &[u8]) -> bool {
    match raw.trim_ascii() {
        [b'[', inner @ .., b']'] | [b'{', inner @ .., b'}'] => inner.trim_ascii().is_empty(),
        other => other == b"\"\"",
    }
}

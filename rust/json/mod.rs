//! A scanner for one JSON value, with the grammar of Python's `json.loads`.
//!
//! It checks that a text is well-formed and finds its top-level members. It must not build values or convert numbers.
//! The server and Python kernels read messages with `json.loads`, so that is the grammar: `NaN`, `Infinity`, `-Infinity`,
//! lone surrogates (`\ud800`) and numbers of any length are legal; control characters in strings and a byte order mark are
//! not. Strings may have bytes that are not UTF-8: `jupyter_client` replaces them when it decodes.
//!
//! `serde_json` cannot be used instead: it refuses `NaN`, and its `RawValue` refuses bytes that are not UTF-8.
//!
//! Strategy: one loop without recursion, one bit for each open array or object, eight bytes at a time inside strings.
//! Cost: one pass, no allocation. Nesting deeper than `MAX_DEPTH` is a fault.

mod scanner;
mod string;
#[cfg(test)]
mod tests;

pub use scanner::{Fault, MAX_DEPTH, ValueKind, walk};
pub use string::{decode_string, lossy, quoted};

/// Checks that `bytes` is one JSON value, and returns its kind.
pub fn check(bytes: &[u8]) -> Result<ValueKind, Fault> {
    walk(bytes, |_, _| {})
}

/// Calls `visit` for each member of the object `bytes`, with the decoded key and the value as it was written. Of duplicate
/// keys the last one counts, so `visit` should overwrite an earlier value.
pub fn members<'a>(bytes: &'a [u8], mut visit: impl FnMut(&[u8], &'a [u8])) -> Result<(), Fault> {
    let at = |range| bytes.get(range).unwrap_or_default();
    let read = walk(bytes, |key, value| {
        if let Some(key) = key {
            visit(&string::key(at(key)), at(value));
        }
    });
    match read? {
        ValueKind::Object => Ok(()),
        _ => Err(Fault::NotObject),
    }
}

/// The elements of the array `bytes`, as they were written. None: it is not an array.
pub fn elements(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    let kind = walk(bytes, |_, value| found.push(bytes.get(value).unwrap_or_default()));
    (kind == Ok(ValueKind::Array)).then_some(found)
}

/// The value of the member `name` of the object `bytes`, as it was written. None: it has none, or `bytes` is not an object.
pub fn member<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    let read = members(bytes, |key, value| {
        if key == name {
            found = Some(value);
        }
    });
    read.ok().and(found)
}

/// Whether the well-formed value `raw` is `[]`, `{}` or `""`.
pub fn is_empty(raw: &[u8]) -> bool {
    match raw.trim_ascii() {
        [b'[', inner @ .., b']'] | [b'{', inner @ .., b'}'] => inner.trim_ascii().is_empty(),
        other => other == b"\"\"",
    }
}

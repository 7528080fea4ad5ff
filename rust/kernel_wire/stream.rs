//! Finds name and text in the content of a `stream` message.
//!
//! Must not decode them. Cost: one scan of the content.

use std::ops::Range;

use crate::json::{self, ValueKind};
use crate::reader::wide;

/// Where the members of a `stream`'s content are.
#[derive(Clone, Debug)]
pub struct StreamContent {
    /// The value of `name`, with its quotes.
    pub name: Option<Range<usize>>,
    /// The value of `text`, without its quotes.
    pub text: Option<Range<usize>>,
    /// Whether the content has only a name and a text, each once.
    pub plain: bool,
    well_formed: bool,
    len: usize,
}

impl StreamContent {
    /// Scans a content.
    pub fn of(content: &[u8]) -> Self {
        let mut found = Self {
            name: None,
            text: None,
            plain: true,
            well_formed: false,
            len: content.len(),
        };
        let kind = json::walk(content, |key, value| {
            let is_string = content.get(value.start) == Some(&b'"');
            match key.and_then(|key| content.get(key)) {
                Some(b"name") if is_string && found.name.is_none() => found.name = Some(value),
                Some(b"text") if is_string && found.text.is_none() => found.text = Some(value.start + 1..value.end - 1),
                _ => found.plain = false,
            }
        });
        found.well_formed = kind == Ok(ValueKind::Object);
        found.plain &= found.well_formed;
        found
    }

    /// Name and text, if the content has nothing else.
    pub fn whole(&self) -> Option<(&Range<usize>, &Range<usize>)> {
        self.name.as_ref().zip(self.text.as_ref()).filter(|_| self.plain)
    }

    /// The length of the text in bytes; 0 if there is none. If the content is not a JSON object, the length of the content.
    pub fn text_bytes(&self) -> u64 {
        match &self.text {
            _ if !self.well_formed => wide(self.len),
            Some(text) => wide(text.len()),
            None => 0,
        }
    }
}

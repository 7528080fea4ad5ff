//! Reads an `execute_request`: the few facts that the journal keeps of it.
//!
//! The source itself is not kept, only its digest. Cost: one scan of header, metadata and content; a source with escapes is
//! decoded once for its digest.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::json;
use crate::kernel_wire::header::Header;

/// What the journal keeps of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The request's `msg_id`.
    pub id: Box<str>,
    /// `metadata.cellId`, which JupyterLab and Notebook send.
    pub cell_id: Option<Box<str>>,
    /// SHA-256 of the source in UTF-8; a lone surrogate counts as U+FFFD, as in a browser's `TextEncoder`.
    pub source_sha256: [u8; 32],
}

impl Request {
    /// Reads the parts of an `execute_request`. None: it is silent, or its id is missing, empty or longer than `LONGEST_ID`.
    pub fn read(parts: &[Bytes]) -> Option<Self> {
        let [header, _, metadata, content, ..] = parts else {
            return None;
        };
        let id = Header::read(header).ok()?.msg_id?;
        let id = Some(id.as_str()).filter(|id| !id.is_empty() && id.len() <= LONGEST_ID)?;
        let (mut code, mut silent, mut cell_id) = (None, false, None);
        let read = json::members(content, |key, value| match key {
            b"code" => code = json::decode_string(value),
            b"silent" => silent = value == b"true",
            _ => {}
        });
        read.ok().filter(|()| !silent)?;
        let read = json::members(metadata, |key, value| {
            if key == b"cellId" {
                cell_id = json::decode_string(value);
            }
        });
        let cell_id = cell_id.filter(|id| read.is_ok() && id.len() <= LONGEST_ID);
        Some(Self {
            id: id.into(),
            cell_id: cell_id.map(|id| Box::from(&*id)),
            source_sha256: Sha256::digest(code?.as_bytes()).into(),
        })
    }
}

/// Bytes. JupyterLab's ids have 36; VS Code's cell ids are URIs.
pub const LONGEST_ID: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str, metadata: &str, content: &str) -> Option<Request> {
        let parts = [header, "{}", metadata, content].map(|part| Bytes::from(part.to_owned()));
        Request::read(&parts)
    }

    const HEADER: &str = r#"{"msg_id":"a","msg_type":"execute_request"}"#;

    #[test]
    fn a_request_is_known_by_its_id_and_its_cell() {
        let request = read(HEADER, r#"{"cellId":"c\u00e9"}"#, r#"{"code":"1+1","silent":false}"#).unwrap();
        assert_eq!((&*request.id, request.cell_id.as_deref()), ("a", Some("cé")));
        assert_eq!(request.source_sha256, <[u8; 32]>::from(Sha256::digest(b"1+1")));
    }

    #[test]
    fn the_digest_is_that_of_the_decoded_source() {
        let plain = read(HEADER, "{}", "{\"code\":\"a\u{e9}\"}").unwrap();
        let escaped = read(HEADER, "{}", r#"{"code":"\u0061\u00e9"}"#).unwrap();
        assert_eq!(plain.source_sha256, escaped.source_sha256);
        let lone = read(HEADER, "{}", r#"{"code":"\ud800"}"#).unwrap();
        assert_eq!(lone.source_sha256, <[u8; 32]>::from(Sha256::digest("\u{fffd}")));
    }

    #[test]
    fn what_is_silent_or_has_no_usable_id_is_not_kept() {
        assert_eq!(read(HEADER, "{}", r#"{"code":"1","silent":true}"#), None);
        assert_eq!(read(HEADER, "{}", "{}"), None, "no source");
        assert_eq!(read(HEADER, "{}", "[]"), None);
        assert_eq!(read(r#"{"msg_type":"execute_request"}"#, "{}", r#"{"code":"1"}"#), None);
        let long = format!(r#"{{"msg_id":"{}","msg_type":"x"}}"#, "a".repeat(LONGEST_ID + 1));
        assert_eq!(read(&long, "{}", r#"{"code":"1"}"#), None);
    }

    #[test]
    fn a_cell_id_that_is_too_long_or_in_broken_metadata_is_none() {
        let cell_of = |metadata: &str| read(HEADER, metadata, r#"{"code":"1"}"#).unwrap().cell_id;
        let with = |len: usize| format!(r#"{{"cellId":"{}"}}"#, "c".repeat(len));
        assert_eq!(cell_of(&with(LONGEST_ID)).unwrap().len(), LONGEST_ID);
        for metadata in ["[", r#"{"cellId":"c""#, r#"{"cellId":7}"#, &with(LONGEST_ID + 1)] {
            assert_eq!(cell_of(metadata), None, "{metadata}");
        }
    }
}

//! Splits a multipart message at `<IDS|MSG>`, and joins one.
//!
//! The first delimiter counts, as in `jupyter_client`. Cost: nothing is copied.

use bytes::Bytes;

use crate::error::{Malformed, Result};
use crate::kernel_wire::signature::{SIGNED_PARTS, Signer};
use crate::reader::wide;

/// The frame between the routing identities of ZMQ and the message.
pub const DELIMITER: &[u8] = b"<IDS|MSG>";

/// The pieces of a multipart message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a, B> {
    /// The frames before the delimiter.
    pub identities: &'a [B],
    /// The hex digest; empty if the message is not signed.
    pub signature: &'a B,
    /// Header, parent_header, metadata, content, and any buffers.
    pub parts: &'a [B],
}

/// Splits a message. It must have at least four parts.
pub fn split<B: AsRef<[u8]>>(frames: &[B]) -> Result<Envelope<'_, B>> {
    let at = frames
        .iter()
        .position(|frame| frame.as_ref() == DELIMITER)
        .ok_or(Malformed::NoDelimiter)?;
    let (identities, tail) = frames.split_at_checked(at).ok_or(Malformed::NoDelimiter)?;
    match tail {
        [_, signature, parts @ ..] if parts.len() >= SIGNED_PARTS => Ok(Envelope {
            identities,
            signature,
            parts,
        }),
        _ => Err(Malformed::MissingParts(wide(tail.len().saturating_sub(2)))),
    }
}

/// Signs the parts and returns the frames of a message without identities, as a DEALER socket sends it.
pub fn join(signer: &Signer, parts: &[Bytes]) -> Vec<Bytes> {
    let mut frames = Vec::with_capacity(2 + parts.len());
    frames.push(Bytes::from_static(DELIMITER));
    frames.push(Bytes::from(signer.sign(parts)));
    frames.extend_from_slice(parts);
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: [&[u8]; 8] = [b"id", b"id2", DELIMITER, b"sig", b"{}", b"{}", b"{}", b"{}"];

    #[test]
    fn splits_at_the_first_delimiter() {
        let frames = [&MESSAGE[..], &[b"buffer", DELIMITER]].concat();
        let envelope = split(&frames).unwrap();
        assert_eq!(envelope.identities, [&b"id"[..], b"id2"]);
        assert_eq!(*envelope.signature, b"sig");
        assert_eq!(envelope.parts, [&b"{}"[..], b"{}", b"{}", b"{}", b"buffer", DELIMITER]);
    }

    #[test]
    fn the_fault_of_a_short_message_is_what_it_lacks() {
        for cut in 0..3 {
            assert_eq!(split(&MESSAGE[..cut]), Err(Malformed::NoDelimiter));
        }
        for (cut, parts) in [(3, 0), (4, 0), (5, 1), (6, 2), (7, 3)] {
            assert_eq!(split(&MESSAGE[..cut]), Err(Malformed::MissingParts(parts)));
        }
        assert!(split(&MESSAGE[..8]).is_ok());
        assert!(split(&MESSAGE[2..]).unwrap().identities.is_empty());
    }

    #[test]
    fn a_joined_message_splits_and_verifies() {
        let signer = Signer::new(b"key", "hmac-sha256").unwrap();
        let parts: Vec<Bytes> = ["{}", "{}", "{}", "{}", "buffer"].map(Bytes::from).to_vec();
        let frames = join(&signer, &parts);
        let envelope = split(&frames).unwrap();
        assert_eq!(envelope.parts, parts);
        assert!(signer.verify(envelope.signature, envelope.parts).is_ok());
    }
}

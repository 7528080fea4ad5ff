//! HMAC over the four signed parts of a message.
//!
//! The keyed state is computed once and cloned for each message. All digests of fixed length that Python's `hashlib`
//! guarantees are supported. Buffers are not signed, as the messaging specification says. With an empty key messages are not
//! signed and all verify, as in `jupyter_client`'s Session. With a key an empty signature is the fault `Unsigned`. Cost: the
//! digest, and one clone of the keyed state.

use std::fmt;

use base16ct::lower;
use blake2::{Blake2b512, Blake2s256};
use hmac::{Hmac, KeyInit, Mac, SimpleHmac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use subtle::ConstantTimeEq;

use crate::error::{Malformed, Result};

/// How many parts of a message are signed: header, parent_header, metadata, content.
pub const SIGNED_PARTS: usize = 4;

/// The error for a signature scheme that is not `hmac-` and one of `NAMES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsupportedScheme;

/// Signs and verifies messages with one key and scheme.
#[derive(Clone)]
pub struct Signer {
    keyed: Option<Keyed>,
}

impl Signer {
    /// `scheme` is `hmac-<digest>`. It must be supported even if the key is empty.
    pub fn new(key: &[u8], scheme: &str) -> std::result::Result<Self, UnsupportedScheme> {
        let name = scheme.strip_prefix("hmac-").ok_or(UnsupportedScheme)?;
        let keyed = Keyed::new(name, key).ok_or(UnsupportedScheme)?;
        Ok(Self {
            keyed: (!key.is_empty()).then_some(keyed),
        })
    }

    /// The digest of the first four of `parts`; None without a key.
    pub fn digest<P: AsRef<[u8]>>(&self, parts: &[P]) -> Option<Digest> {
        let mut keyed = self.keyed.clone()?;
        for part in parts.iter().take(SIGNED_PARTS) {
            keyed.update(part.as_ref());
        }
        Some(keyed.finish())
    }

    /// The signature as it is sent: the digest in lower-case hex, or nothing without a key.
    pub fn sign<P: AsRef<[u8]>>(&self, parts: &[P]) -> Vec<u8> {
        let hex = |digest: Digest| digest.hex(&mut [0; 2 * LONGEST]).to_vec();
        self.digest(parts).map_or_else(Vec::new, hex)
    }

    /// Verifies `signature` and returns the digest of `parts`; None without a key.
    pub fn verify<P: AsRef<[u8]>>(&self, signature: &[u8], parts: &[P]) -> Result<Option<Digest>> {
        if self.keyed.is_some() && signature.is_empty() {
            return Err(Malformed::Unsigned);
        }
        match self.digest(parts) {
            Some(digest) if !same_signature(signature, digest.hex(&mut [0; 2 * LONGEST])) => {
                Err(Malformed::BadSignature)
            }
            digest => Ok(digest),
        }
    }
}

impl fmt::Debug for Signer {
    /// Must not show the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("keyed", &self.keyed.is_some())
            .finish_non_exhaustive()
    }
}

/// Compares signatures in constant time: the time depends on their lengths only.
fn same_signature(theirs: &[u8], ours: &[u8]) -> bool {
    theirs.ct_eq(ours).into()
}

/// The output of HMAC.
#[derive(Clone, Copy)]
pub struct Digest {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Digest {
    fn of(output: &[u8]) -> Self {
        let mut bytes = [0; LONGEST];
        for (to, from) in bytes.iter_mut().zip(output) {
            *to = *from;
        }
        Self {
            bytes,
            len: output.len().min(LONGEST),
        }
    }

    /// The first 128 bits. All supported digests have at least as many.
    pub fn prefix(&self) -> u128 {
        u128::from_le_bytes(self.bytes.first_chunk().copied().unwrap_or_default())
    }

    /// The digest in lower-case hex, written to `space`.
    fn hex<'a>(&self, space: &'a mut [u8; 2 * LONGEST]) -> &'a [u8] {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        lower::encode(bytes, space).unwrap_or_default()
    }
}

/// An enum with the keyed state of each scheme. SHA-3 and BLAKE2 need `SimpleHmac`, which is slower than `Hmac`.
macro_rules! schemes {
    ($($name:literal $variant:ident $mac:ty,)*) => {
        #[derive(Clone)]
        enum Keyed { $($variant(Box<$mac>),)* }

        impl Keyed {
            fn new(name: &str, key: &[u8]) -> Option<Self> {
                match name {
                    $($name => <$mac>::new_from_slice(key).ok().map(|mac| Self::$variant(Box::new(mac))),)*
                    _ => None,
                }
            }

            fn update(&mut self, bytes: &[u8]) {
                match self { $(Self::$variant(mac) => mac.update(bytes),)* }
            }

            fn finish(self) -> Digest {
                match self { $(Self::$variant(mac) => Digest::of(&mac.finalize().into_bytes()),)* }
            }
        }

        /// The names of all digests, as in `hashlib`.
        pub const NAMES: &[&str] = &[$($name),*];
    };
}

schemes! {
    "sha256" Sha256 Hmac<Sha256>,
    "sha384" Sha384 Hmac<Sha384>,
    "sha512" Sha512 Hmac<Sha512>,
    "sha224" Sha224 Hmac<Sha224>,
    "sha1" Sha1 Hmac<Sha1>,
    "md5" Md5 Hmac<Md5>,
    "sha3_224" Sha3_224 SimpleHmac<Sha3_224>,
    "sha3_256" Sha3_256 SimpleHmac<Sha3_256>,
    "sha3_384" Sha3_384 SimpleHmac<Sha3_384>,
    "sha3_512" Sha3_512 SimpleHmac<Sha3_512>,
    "blake2b" Blake2b SimpleHmac<Blake2b512>,
    "blake2s" Blake2s SimpleHmac<Blake2s256>,
}

/// Bytes of the longest digests: SHA-512, SHA3-512 and BLAKE2b.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests;

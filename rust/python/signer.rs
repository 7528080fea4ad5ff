//! The Python class `Signer`.

use bytes::Bytes;
use pyo3::prelude::*;

use super::convert::UnsupportedScheme;
use crate::kernel_wire::signature::{self, SIGNED_PARTS};

#[pyclass(frozen, module = "kernelws._core")]
pub struct Signer {
    pub core: signature::Signer,
}

#[pymethods]
impl Signer {
    #[new]
    fn new(key: &[u8], scheme: &str) -> PyResult<Self> {
        Ok(Self {
            core: core(key, scheme)?,
        })
    }
}

/// The core's signer, or an exception that lists the supported schemes.
pub fn core(key: &[u8], scheme: &str) -> PyResult<signature::Signer> {
    signature::Signer::new(key, scheme).map_err(|signature::UnsupportedScheme| {
        UnsupportedScheme::new_err(format!(
            "the signature scheme {scheme:?} is not supported; it must be hmac- followed by one of {}",
            signature::NAMES.join(", ")
        ))
    })
}

/// The number of signed bytes.
pub fn signed_bytes(parts: &[Bytes]) -> usize {
    parts.iter().take(SIGNED_PARTS).map(Bytes::len).sum()
}

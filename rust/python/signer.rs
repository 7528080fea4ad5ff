//! `Signer`.

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::convert::{self, UnsupportedScheme};
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

    fn sign<'py>(&self, py: Python<'py>, parts: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let parts = convert::parts(parts)?;
        let hex = convert::work(py, signed_bytes(&parts), || self.core.sign(&parts));
        Ok(PyBytes::new(py, &hex))
    }

    fn verify(&self, py: Python<'_>, signature: &Bound<'_, PyAny>, parts: &Bound<'_, PyAny>) -> PyResult<()> {
        let (signature, parts) = (convert::owned(signature)?, convert::parts(parts)?);
        convert::work(py, signed_bytes(&parts), || {
            self.core.verify(&signature, &parts).map(drop)
        })?;
        Ok(())
    }
}

/// The core's signer, or an exception that says what is supported.
pub fn core(key: &[u8], scheme: &str) -> PyResult<signature::Signer> {
    signature::Signer::new(key, scheme).map_err(|signature::UnsupportedScheme| {
        UnsupportedScheme::new_err(format!(
            "the signature scheme {scheme:?} is not supported; supported are hmac- and one of {}",
            signature::NAMES.join(", ")
        ))
    })
}

/// How much there is to digest.
pub fn signed_bytes(parts: &[Bytes]) -> usize {
    parts.iter().take(SIGNED_PARTS).map(Bytes::len).sum()
}

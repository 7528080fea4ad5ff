//! Calls the body of the target `merge`; see rust/proof/mod.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kernelws::proof::run("merge", data));

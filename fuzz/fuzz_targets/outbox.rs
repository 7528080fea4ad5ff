//! Calls the body of the target `outbox`; see rust/proof/mod.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kernelws::proof::run("outbox", data));

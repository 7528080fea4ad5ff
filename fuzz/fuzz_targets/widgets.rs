//! Calls the body of the target `widgets`; see rust/proof/mod.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kernelws::proof::run("widgets", data));

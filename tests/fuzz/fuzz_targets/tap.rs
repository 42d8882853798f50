//! See `tollgate_tests::fuzz::tap`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_tests::fuzz::tap(data));

//! See `tollgate_tests::fuzz::flows`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_tests::fuzz::flows(data));

//! The fuzzer's program: whatever it makes up goes through [`etcd_fuzz::run`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| etcd_fuzz::run(input));

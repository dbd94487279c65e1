#![no_main]

#[path = "../checks/framer.rs"]
mod framer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| framer::check(bytes));

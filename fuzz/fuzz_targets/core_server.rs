#![no_main]

#[path = "../checks/core_server.rs"]
mod core_server;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| core_server::check(bytes));

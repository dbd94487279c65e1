#![no_main]

#[path = "../checks/session.rs"]
mod session;

use roboppi_worker_adapters::CodexAdapter;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| session::check(&CodexAdapter, bytes));

#![no_main]

#[path = "../checks/session.rs"]
mod session;

use roboppi_worker_adapters::OpenCodeAdapter;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| session::check(&OpenCodeAdapter, bytes));

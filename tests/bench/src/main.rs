//! The benchmark's command: `cargo run --release -p memtrace-bench -- --help`.

use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match memtrace_bench::start(std::env::args_os()) {
        Ok(text) => {
            let written = io::stdout().lock().write_all(text.as_bytes());
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("memtrace-bench: {error}");
            error.code()
        }
    }
}

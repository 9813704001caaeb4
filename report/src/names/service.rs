//! Debug files from a debuginfod server, through the system's own client.
//!
//! The client reads DEBUGINFOD_URLS, keeps what it was given, and has its own limits on time. A server is asked where a
//! person waits for a report, never at the end of a target.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::path_of;

/// The client.
const CLIENT: &str = "debuginfod-find";
/// Names the servers; empty: none is to be asked.
const SERVERS: &str = "DEBUGINFOD_URLS";

/// Whether somebody set servers up.
pub fn is_set_up() -> bool {
    std::env::var_os(SERVERS).is_some_and(|servers| !servers.is_empty())
}

/// The debug file of this build-id, if a server has it.
pub fn debug_file(build_id: &[u8]) -> Option<PathBuf> {
    let id: String = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut client = Command::new(CLIENT);
    client.args(["debuginfo", &id]).stdin(Stdio::null()).stderr(Stdio::null());
    let output = client.output().ok().filter(|output| output.status.success())?;
    // It prints the path of its own copy.
    let path = output.stdout.split(|&byte| byte == b'\n').next().unwrap_or_default();
    (!path.is_empty()).then(|| path_of(path))
}

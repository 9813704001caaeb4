//! Calls that fail beside allocations: which, by the second library and by settings.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use memtrace_wire::op::{Op, calls};

use crate::error::Error;
use crate::run::environment;

/// The settings that make calls count, and allocations beside them.
pub fn settings(calls: Option<&str>, only: bool) -> Vec<String> {
    let Some(calls) = calls else { return Vec::new() };
    let mut settings = vec![format!("MALLOC_FAIL_CALLS={calls}")];
    if !only {
        settings.push("MALLOC_FAIL_OPS=all".to_owned());
    }
    settings
}

/// What stands in LD_PRELOAD: the shim, and behind it what the variables ask for, and the library of the calls where there
/// are any.
pub fn preload(library: &Path, variables: &[CString], calls: Option<&str>) -> Result<PathBuf, Error> {
    let own = environment::preload(library, variables)?;
    if calls.is_none() {
        return Ok(own);
    }
    let mut both = own.into_os_string();
    both.push(":");
    both.push(environment::calls_beside(library)?);
    Ok(both.into())
}

/// Takes what MALLOC_FAIL_CALLS takes.
pub fn parse(text: &str) -> Result<String, String> {
    if calls(text.as_bytes()).is_some() {
        return Ok(text.to_owned());
    }
    let mut families: Vec<&str> = Op::all().filter_map(|op| Some(op.call()?.family)).collect();
    families.dedup();
    let expected = format!("expected `all`, functions like `connect`, or families: {}", families.join(", "));
    let odd = text.split(',').find(|word| calls(word.as_bytes()).is_none()).unwrap_or(text);
    Err(format!("`{odd}` is no call, {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_come_alone_or_beside_allocations() {
        assert_eq!(settings(None, false), [""; 0]);
        assert_eq!(settings(Some("io"), false), ["MALLOC_FAIL_CALLS=io", "MALLOC_FAIL_OPS=all"]);
        assert_eq!(settings(Some("io,open"), true), ["MALLOC_FAIL_CALLS=io,open"]);
    }

    #[test]
    fn what_is_no_call_is_named() {
        assert_eq!(parse("files,connect"), Ok("files,connect".to_owned()));
        let families = "files, sockets, network, io, pipes, threads, memory";
        let expected = format!("`opn` is no call, expected `all`, functions like `connect`, or families: {families}");
        assert_eq!(parse("files,opn"), Err(expected));
        assert!(parse("").is_err() && parse("malloc").is_err());
    }
}

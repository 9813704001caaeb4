//! What the target sees of memtrace: our library in LD_PRELOAD, and MEMTRACE_RUN. All else is passed on as it is.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The shim's file.
const LIBRARY: &str = "libmemtrace.so";
/// That of the calls, beside it.
const CALLS: &str = "libmemtrace_calls.so";
/// That which lets other libraries say where they allocate, and the setting that asks for it.
const SOURCES: &str = "libmemtrace_debugmem.so";
const SOURCES_SETTING: &str = "MEMTRACE_SOURCES";
/// Where it may be, from the directory of the command.
const PLACES: [&str; 5] = ["", "../lib", "../lib/x86_64-linux-gnu", "../lib64", "../lib/memtrace"];

/// The shim's library: the one that the command carries, else beside the command, or where an installation puts it.
pub fn library() -> Result<PathBuf, Error> {
    let failed = |cause| Error::System { what: "cannot find the `memtrace` command's own file", cause };
    let command = std::fs::canonicalize("/proc/self/exe").map_err(failed)?;
    match super::carried::library(&command)? {
        Some(library) => Ok(library),
        None => library_near(&command),
    }
}

fn library_near(command: &Path) -> Result<PathBuf, Error> {
    let home = command.parent().unwrap_or(Path::new("/"));
    let looked: Vec<PathBuf> = PLACES.iter().map(|place| home.join(place).join(LIBRARY)).collect();
    let Some(path) = looked.iter().find_map(|path| path.canonicalize().ok()) else {
        return Err(Error::LibraryNotFound { name: LIBRARY, looked });
    };
    if path.as_os_str().as_bytes().iter().any(|byte| b": \t\n".contains(byte)) {
        return Err(Error::LibraryPath { path });
    }
    Ok(path)
}

/// The library of the calls, beside that of the shim, whose path can be preloaded.
pub fn calls_beside(library: &Path) -> Result<PathBuf, Error> {
    let path = library.with_file_name(CALLS);
    if path.is_file() { Ok(path) } else { Err(Error::LibraryNotFound { name: CALLS, looked: vec![path] }) }
}

/// What stands in LD_PRELOAD for these variables: the shim, and behind it the library of sources where MEMTRACE_SOURCES
/// asks for it.
pub fn preload(library: &Path, variables: &[CString]) -> Result<PathBuf, Error> {
    let wanted = variables.iter().find_map(|variable| value(variable, SOURCES_SETTING)).unwrap_or_default();
    if wanted.is_empty() {
        return Ok(library.to_path_buf());
    }
    let sources = library.with_file_name(SOURCES);
    if !sources.is_file() {
        return Err(Error::LibraryNotFound { name: SOURCES, looked: vec![sources] });
    }
    let mut both = library.as_os_str().to_owned();
    both.push(":");
    both.push(sources);
    Ok(both.into())
}

/// `variables` with the two that the shim needs. Order is kept, so that an equal name is found as before.
pub fn for_target(variables: Vec<CString>, library: &Path, address: &str) -> Vec<CString> {
    let library = library.as_os_str();
    let old = variables.iter().find_map(|variable| value(variable, "LD_PRELOAD")).unwrap_or_default();
    let preload = setting("LD_PRELOAD", &[library.as_bytes(), old]);
    let run = setting("MEMTRACE_RUN", &[address.as_bytes()]);
    let mut given = Vec::with_capacity(variables.len() + 2);
    let mut is_preloaded = false;
    for variable in &variables {
        if value(variable, "LD_PRELOAD").is_some() && !is_preloaded {
            given.push(preload.clone());
            is_preloaded = true;
        } else if value(variable, "MEMTRACE_RUN").is_none() {
            given.push(variable.clone());
        }
    }
    if !is_preloaded {
        given.push(preload);
    }
    given.push(run);
    given
}

fn value<'a>(variable: &'a CString, name: &str) -> Option<&'a [u8]> {
    variable.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

/// `NAME=a:b`, without the empty ones.
fn setting(name: &str, values: &[&[u8]]) -> CString {
    let values: Vec<&[u8]> = values.iter().copied().filter(|value| !value.is_empty()).collect();
    let text = [name.as_bytes(), b"=", &values.join(&b":"[..])].concat();
    // Both parts come from C strings and paths.
    CString::new(text).unwrap_or_default()
}

/// PATH of this process, which is the target's.
pub fn search_path(variables: &[CString]) -> Option<&OsStr> {
    variables.iter().find_map(|variable| value(variable, "PATH")).map(OsStr::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(variables: &[&str]) -> Vec<String> {
        let variables = variables.iter().map(|&text| CString::new(text).unwrap()).collect();
        for_target(variables, Path::new("/l.so"), "1:3:ab")
            .into_iter()
            .map(|text| text.into_string().unwrap())
            .collect()
    }

    #[test]
    fn two_variables_are_added_and_nothing_else_changes() {
        assert_eq!(given(&[]), ["LD_PRELOAD=/l.so", "MEMTRACE_RUN=1:3:ab"]);
        assert_eq!(given(&["A=1", "odd", "A=2"]), ["A=1", "odd", "A=2", "LD_PRELOAD=/l.so", "MEMTRACE_RUN=1:3:ab"]);
    }

    #[test]
    fn our_library_comes_before_those_that_are_preloaded_already() {
        assert_eq!(given(&["LD_PRELOAD=/a.so:/b.so", "Z="])[..2], ["LD_PRELOAD=/l.so:/a.so:/b.so", "Z="]);
        assert_eq!(given(&["LD_PRELOAD="])[0], "LD_PRELOAD=/l.so");
    }

    #[test]
    fn a_run_inside_a_run_is_its_own() {
        assert_eq!(given(&["MEMTRACE_RUN=9:9:9"]), ["LD_PRELOAD=/l.so", "MEMTRACE_RUN=1:3:ab"]);
    }

    #[test]
    fn a_library_that_is_nowhere_or_cannot_be_named_is_an_error() {
        let error = library_near(Path::new("/nowhere/bin/memtrace")).unwrap_err();
        assert!(error.to_string().starts_with("cannot find libmemtrace.so: looked for `/nowhere/bin/libmemtrace.so`"));
        let place = std::env::temp_dir().join(format!("memtrace library {}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join(LIBRARY), "").unwrap();
        let error = library_near(&place.join("memtrace")).unwrap_err();
        let missing = calls_beside(&place.join(LIBRARY)).unwrap_err().to_string();
        std::fs::remove_dir_all(&place).unwrap();
        assert!(matches!(preload(&place.join(LIBRARY), &[]), Ok(path) if path == place.join(LIBRARY)));
        assert!(preload(&place.join(LIBRARY), &[c"MEMTRACE_SOURCES=curl".to_owned()]).is_err());
        assert!(missing.starts_with("cannot find libmemtrace_calls.so: looked for `/"), "{missing}");
        assert!(matches!(error, Error::LibraryPath { .. }));
    }
}

//! Whether a target is CPython, and what it is told then: its small objects become blocks of their own, and the order of
//! its sets and dictionaries is the same in every run.
//!
//! CPython is known by its executable: a file (behind links, `#!` lines and `env`) named `python…` whose text names
//! `Py_BytesMain`, the function that such executables have or call. A script named `python…` is a version manager's, and
//! starts one.

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use memtrace_wire::settings;

use super::elf;
use super::script::base_name;
use super::target::Target;
use crate::sys;

/// What CPython is told, where the environment says nothing else.
const GIVEN: [&str; 2] = ["PYTHONMALLOC=malloc", "PYTHONHASHSEED=0"];
/// How its executables are named.
const NAME: &str = "python";
/// What they have or call.
const MAIN: &[u8] = b"Py_BytesMain\0";
/// What a free-threaded one has itself, or is at the end of its library's name: such a build knows no PYTHONMALLOC=malloc,
/// and ends at once where it is told so.
const FREE_THREADED: [&[u8]; 2] = [b"_Py_DecRefShared\0", b"t.so.1.0\0"];
/// So much of an executable is looked at: the largest known has 35 MiB.
const BYTES_MAX: u64 = 64 << 20;

/// Adds to `variables` what a target that is CPython is told, and says so on stderr. Gives what was added.
pub fn tell(target: &Target, variables: &mut Vec<CString>) -> Vec<String> {
    let is_set = |given: &&str| {
        let name = given.split('=').next().unwrap_or_default();
        variables.iter().any(|variable| settings::value_of(variable.to_bytes(), name).is_some())
    };
    let mut added: Vec<&str> = GIVEN.iter().copied().filter(|given| !is_set(given)).collect();
    if added.is_empty() {
        return Vec::new();
    }
    match kind(&target.image) {
        None => return Vec::new(),
        Some(Kind::Usual) => {}
        Some(Kind::FreeThreaded) => {
            added.retain(|given| !given.starts_with("PYTHONMALLOC="));
            sys::say(
                "memtrace: a free-threaded CPython has no PYTHONMALLOC=malloc: its objects are its own mimalloc's\n",
            );
        }
    }
    variables.extend(added.iter().filter_map(|text| CString::new(*text).ok()));
    if !added.is_empty() {
        let added = added.join(" ");
        sys::say(&format!("memtrace: the target is CPython and gets {added} (`--no-python-env`: nothing)\n"));
    }
    added.into_iter().map(str::to_owned).collect()
}

/// Which CPython a program is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// With its lock; or a version manager's, which may start any.
    Usual,
    /// Without.
    FreeThreaded,
}

/// Whether a file is CPython's executable, or a version manager's in its place.
fn kind(program: &Path) -> Option<Kind> {
    let is_named = |path: &Path| base_name(path.as_os_str()).to_string_lossy().starts_with(NAME);
    let file = program.canonicalize().unwrap_or_else(|_| program.to_path_buf());
    if !is_named(program) && !is_named(&file) {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(&file).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes)).ok()?;
    if bytes.starts_with(b"#!") {
        return Some(Kind::Usual);
    }
    if !bytes.starts_with(&elf::MAGIC) || !has(&bytes, MAIN) {
        return None;
    }
    let is_free_threaded = FREE_THREADED.iter().any(|text| has(&bytes, text));
    Some(if is_free_threaded { Kind::FreeThreaded } else { Kind::Usual })
}

/// Whether a text is in a file: looked for by its first letter, which most of a file has not.
fn has(file: &[u8], text: &[u8]) -> bool {
    let Some(&first) = text.first() else { return true };
    let mut rest = file;
    while let Some(at) = rest.iter().position(|&byte| byte == first) {
        if rest.get(at..).is_some_and(|found| found.starts_with(text)) {
            return true;
        }
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn cpython_is_known_by_its_name_and_what_it_has() {
        let place = std::env::temp_dir().join(format!("memtrace-python-{}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        let put = |name: &str, bytes: &[u8]| {
            std::fs::write(place.join(name), bytes).unwrap();
            std::fs::set_permissions(place.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
            place.join(name)
        };
        let whole = [&elf::MAGIC[..], b"PyPPy_BytesMain\0"].concat();
        let with = |more: &[u8]| [&whole[..], more].concat();
        let cases = [
            (put("python3.11", &whole), Some(Kind::Usual)),
            (put("python3.13t", &with(b"_Py_DecRefShared\0")), Some(Kind::FreeThreaded)),
            (put("python3.14", &with(b"libpython3.14t.so.1.0\0")), Some(Kind::FreeThreaded)),
            (put("python3.12", &with(b"libpython3.12.so.1.0\0_Py_DecRefSpecialized\0")), Some(Kind::Usual)),
            (put("python3-other", &elf::MAGIC), None),
            (put("python3-cut", &[&elf::MAGIC[..], b"Py_BytesMai"].concat()), None),
            (put("python3-shim", b"#!/bin/sh\n"), Some(Kind::Usual)),
            (put("perl", &whole), None),
            (place.join("python-that-is-not-there"), None),
        ];
        std::os::unix::fs::symlink(place.join("python3.11"), place.join("tool")).unwrap();
        let found = cases.each_ref().map(|(path, _)| kind(path));
        let linked = kind(&place.join("tool"));
        std::fs::remove_dir_all(&place).unwrap();
        assert_eq!(found, cases.map(|(_, expected)| expected));
        assert_eq!(linked, Some(Kind::Usual), "a virtual environment's link");
    }
}

//! Whose malloc a program gets: its own, or that of the first library which has one.
//!
//! ```text
//!   program ──▶ libraries in the order in which the loader searches ──▶ the first that defines `malloc`
//! ```

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Finding;
use crate::names::ElfFile;
use crate::text;
use crate::views::base_name;

const NAME: &str = "allocator";
/// Functions that the runtime of a sanitizer brings.
const SANITIZERS: [&[u8]; 5] = [b"__asan_init", b"__tsan_init", b"__lsan_init", b"__hwasan_init", b"__msan_init"];
/// Pieces of libraries' names, and what these allocators are called.
const KNOWN: [(&str, &str); 5] = [
    ("libc.so.6", "glibc's malloc"),
    ("libjemalloc", "jemalloc"),
    ("libtcmalloc", "tcmalloc"),
    ("libmimalloc", "mimalloc"),
    ("libsnmalloc", "snmalloc"),
];

/// A library that a program is linked with: its name, and the file that the loader finds for it.
pub struct Linked {
    /// As the program or another library names it.
    pub name: String,
    /// `None`: it is not found.
    pub file: Option<PathBuf>,
}

/// All libraries of a program, as its loader says; none, if the loader is not one of root's, which could be any program.
pub fn libraries(loader: &Path, program: &Path) -> Vec<Linked> {
    let is_roots = |about: fs::Metadata| about.uid() == 0 && about.mode() & 0o022 == 0;
    if !fs::metadata(loader).is_ok_and(is_roots) {
        return Vec::new();
    }
    let mut command = Command::new(loader);
    // The loader alone runs: it maps files and does not enter them.
    command.arg(program).env_remove("LD_PRELOAD").env("LD_TRACE_LOADED_OBJECTS", "1");
    let Ok(output) = command.stdin(Stdio::null()).stderr(Stdio::null()).output() else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout).lines().filter_map(linked).collect()
}

/// `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, or `=> not found`; of a library that is named by its path, the path
/// alone. The vdso has none.
fn linked(line: &str) -> Option<Linked> {
    let at = |text: &str| text.rsplit_once(" (0x").map(|(file, _)| PathBuf::from(file));
    match line.trim().split_once(" => ") {
        Some((name, rest)) => Some(Linked { name: name.to_owned(), file: at(rest) }),
        None => {
            let file = at(line.trim()).filter(|file| file.is_absolute())?;
            Some(Linked { name: base_name(&file.to_string_lossy()).to_owned(), file: Some(file) })
        }
    }
}

/// Whose malloc it is, by what the files define.
pub fn finding(program: &Path, libraries: &[Linked]) -> Finding {
    if let Some(missing) = libraries.iter().find(|library| library.file.is_none()) {
        return Finding::fails(
            NAME,
            format!("unknown: {} is not found, so the program does not start", missing.name),
            None,
        );
    }
    let own = (base_name(&program.to_string_lossy()).to_owned(), program.to_path_buf());
    let others = libraries.iter().filter_map(|library| Some((library.name.clone(), library.file.clone()?)));
    let all: Vec<(String, PathBuf)> = std::iter::once(own).chain(others).collect();
    let has = |file: &Path, names: &[&[u8]]| ElfFile::open(file).is_some_and(|elf| elf.defines(names));
    if let Some((name, _)) = all.iter().find(|(_, file)| has(file, &SANITIZERS)) {
        let hint = "build it without the sanitizer".to_owned();
        return Finding::fails(NAME, format!("{name}: {}", text::passive("sanitizer")), Some(hint));
    }
    match all.iter().position(|(_, file)| has(file, &[b"malloc"])) {
        Some(0) => {
            let hint = "link it without its allocator, or with one that is a library".to_owned();
            Finding::fails(NAME, text::passive("own-allocator"), Some(hint))
        }
        Some(place) => Finding::works(NAME, in_words(&all[place].0)),
        None => Finding::fails(NAME, "no library of the program has a malloc", None),
    }
}

fn in_words(library: &str) -> String {
    match KNOWN.iter().find(|(piece, _)| library.starts_with(piece)) {
        Some((_, words)) => format!("{words} ({library}), which stays in use"),
        None => format!("that of {library}, which stays in use"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_lines_are_read() {
        let read = |line| linked(line).map(|linked| (linked.name, linked.file));
        assert_eq!(
            read("\tlibc.so.6 => /lib/a b/libc.so.6 (0x00007f)"),
            Some(("libc.so.6".into(), Some("/lib/a b/libc.so.6".into())))
        );
        assert_eq!(read("\tlibx.so => not found"), Some(("libx.so".into(), None)));
        assert_eq!(read("\t/a/liby.so (0x00007f)"), Some(("liby.so".into(), Some("/a/liby.so".into()))));
        assert_eq!(read("\tlinux-vdso.so.1 (0x00007ffc)"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn allocators_are_called_by_their_names() {
        assert_eq!(in_words("libc.so.6"), "glibc's malloc (libc.so.6), which stays in use");
        assert_eq!(in_words("libjemalloc.so.2"), "jemalloc (libjemalloc.so.2), which stays in use");
        assert_eq!(in_words("libours.so"), "that of libours.so, which stays in use");
    }
}

//! Lines of source files, where somebody asks for them: a few around each frame, and a bounded number of them.
//!
//! The paths come from debug information, which is hostile: only regular files are read whose names end as those of
//! sources do, links followed, so that no profile can put a key or a list of passwords into a page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use serde::Serialize;

use super::texts::harmless;

/// Lines before and behind the one that is meant.
const AROUND: u32 = 3;
/// Characters of one line, bytes of one file, and files.
const LINE_CHARS_MAX: usize = 200;
const FILE_BYTES_MAX: u64 = 4 << 20;
const FILES_MAX: usize = 200;
/// Lines of all files.
const LINES_MAX: usize = 20_000;

/// What the names of sources end with.
const ENDINGS: [&str; 31] = [
    "S", "ads", "adb", "asm", "c", "c++", "cc", "cpp", "cppm", "cu", "cxx", "d", "f", "f90", "go", "h", "hh", "hpp",
    "hxx", "i", "inc", "inl", "ipp", "l", "m", "mm", "py", "pyx", "rs", "y", "zig",
];

/// By file, its lines by number.
#[derive(Serialize, PartialEq, Debug, Default)]
#[serde(transparent)]
pub struct Excerpts(BTreeMap<String, BTreeMap<u32, String>>);

/// Reads the lines around places, each a file and a line from 1.
pub fn read<'t>(places: impl Iterator<Item = (&'t str, u32)>) -> Excerpts {
    let mut wanted: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for (file, line) in places {
        let lines = wanted.entry(file).or_default();
        lines.extend(line.saturating_sub(AROUND).max(1)..=line.saturating_add(AROUND));
    }
    let mut found = BTreeMap::new();
    let mut room = LINES_MAX;
    for (file, lines) in wanted.into_iter().take(FILES_MAX) {
        let Some(text) = text(file) else { continue };
        let all = text.lines().zip(1u32..).filter(|(_, number)| lines.contains(number)).take(room);
        let shown = all.map(|(line, number)| (number, shown(line)));
        let shown: BTreeMap<u32, String> = shown.collect();
        room -= shown.len();
        if !shown.is_empty() {
            found.insert(harmless(file), shown);
        }
    }
    Excerpts(found)
}

fn shown(line: &str) -> String {
    let line = line.replace('\t', "    ");
    let start: String = line.chars().take(LINE_CHARS_MAX).collect();
    harmless(&start)
}

/// A source file's text.
fn text(path: &str) -> Option<String> {
    let path = fs::canonicalize(path).ok()?;
    let ending = path.extension()?.to_str()?;
    if !ENDINGS.contains(&ending) {
        return None;
    }
    // A pipe has no writer, and some devices begin to work when they are opened.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(&path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_lines_around_places_in_source_files_are_read() {
        let folder = std::env::temp_dir().join(format!("memtrace-excerpts-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let text: String = (1..=20).map(|line| format!("\tline {line}\u{1b}\n")).collect();
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        for name in ["a.c", "key"] {
            fs::write(path(name), &text).unwrap();
        }
        symlink(path("key"), path("link.c")).unwrap();
        let [source, key, link] = ["a.c", "key", "link.c"].map(path);
        let places = [(source.as_str(), 10), (key.as_str(), 1), (link.as_str(), 1), ("/dev/null", 1), ("none.c", 1)];
        let Excerpts(found) = read(places.into_iter());
        assert_eq!(found.keys().collect::<Vec<_>>(), [&source]);
        assert_eq!(found[&source].keys().copied().collect::<Vec<_>>(), [7, 8, 9, 10, 11, 12, 13]);
        assert_eq!(found[&source][&10], "    line 10\\u{1b}");
        fs::remove_dir_all(folder).unwrap();
    }
}

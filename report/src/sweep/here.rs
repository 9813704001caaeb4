//! The working directory before and after a run: its files are not the sweep's, and a run may make, change or remove them.
//!
//! Invariants:
//! - what memtrace itself writes there is no file of the program's;
//! - a file is read only where its inode, size or time changed, so a directory that a run leaves alone costs its listing;
//! - directories below are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::facts::Facts;
use super::written::content;
use crate::sys;

/// Entries of a directory that is looked at.
const ENTRIES_MAX: usize = 2000;
/// Files of a directory in which they are compared, as each takes a call before and after a run.
const COMPARED_MAX: usize = 500;
/// Bytes of a file that is read: a larger one is told by its size.
const READ_MAX: u64 = 16 << 20;
/// The longest that the clock of file times stands still.
const CLOCK_TICK: Duration = Duration::from_millis(20);
/// Names that a note has.
const NAMES_MAX: usize = 3;

/// What of the directory is whose.
#[derive(Default)]
pub struct Own {
    /// What is there before the sweep begins.
    before: BTreeSet<OsString>,
    /// Files of memtrace's own.
    names: Vec<OsString>,
    /// What stdout and stderr of the sweep lead to: device and inode.
    inodes: Vec<(u64, u64)>,
}

impl Own {
    /// Those of these paths that lie in the working directory, and what we write to otherwise.
    pub fn of<'p>(paths: impl Iterator<Item = &'p Path>) -> Own {
        let here = fs::canonicalize(".").ok();
        let name = |path: &Path| {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let is_here = here.is_some() && fs::canonicalize(parent).ok() == here;
            path.file_name().filter(|_| is_here).map(OsString::from)
        };
        let streams = ["/proc/self/fd/1", "/proc/self/fd/2"].map(fs::metadata);
        let inodes = streams.into_iter().flatten().map(|about| (about.dev(), about.ino())).collect();
        let own = Own { before: BTreeSet::new(), names: paths.filter_map(name).collect(), inodes };
        Own { before: Here::now(&own).entries.into_keys().collect(), ..own }
    }
}

/// What tells that a file was written to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// An entry: a regular file that is compared has a state.
type Entries = BTreeMap<OsString, Option<State>>;

/// The directory as it was.
pub struct Here {
    entries: Entries,
    /// What is not compared, in words.
    left_out: Vec<String>,
}

impl Here {
    /// As it is now.
    pub fn now(own: &Own) -> Here {
        let (mut left_out, mut large) = (Vec::new(), Vec::new());
        let mut entries = Entries::new();
        let mut files = 0;
        for entry in fs::read_dir(".").into_iter().flatten().flatten() {
            let name = entry.file_name();
            if own.names.contains(&name) {
                continue;
            }
            if entries.len() == ENTRIES_MAX {
                let why = format!("the working directory has more than {ENTRIES_MAX} entries, and is not looked at");
                return Here { entries: Entries::new(), left_out: vec![why] };
            }
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            let mut state = None;
            if is_file && files < COMPARED_MAX {
                let Ok(about) = entry.metadata() else { continue };
                if own.inodes.contains(&(about.dev(), about.ino())) {
                    continue;
                }
                if about.len() > READ_MAX {
                    large.push(name.to_string_lossy().into_owned());
                }
                state = Some(State::of(&about));
            }
            files += usize::from(is_file);
            entries.insert(name, state);
        }
        large.sort();
        if !large.is_empty() {
            let more = if large.len() > NAMES_MAX { ", …" } else { "" };
            let names = large[..large.len().min(NAMES_MAX)].join(", ");
            left_out.push(format!("files of more than {} MiB are compared by size: {names}{more}", READ_MAX >> 20));
        }
        if files > COMPARED_MAX {
            // Which ones would be those that the directory lists first.
            entries.values_mut().for_each(|state| *state = None);
            left_out = vec![format!(
                "the working directory has more than {COMPARED_MAX} files: those that a run changes are not noticed"
            )];
        }
        Here { entries, left_out }
    }

    /// As it is before a run: what is written from now on has another time.
    pub fn before(own: &Own) -> Here {
        let here = Here::now(own);
        let newest = here.entries.values().flatten().map(|state| state.modified).max().unwrap_or_default();
        let newest = Duration::new(newest.0.max(0) as u64, newest.1 as u32);
        // A time that lies farther ahead is no time of a clock.
        while sys::file_time() <= newest && newest <= sys::file_time() + CLOCK_TICK {
            thread::sleep(Duration::from_millis(1));
        }
        here
    }

    /// Adds to the facts of a run what became of the directory since: files that are new, written to or gone.
    pub fn compare(self, own: &Own, facts: &mut Facts) {
        let after = Here::now(own);
        let name = |name: &OsString| format!("./{}", name.display());
        for (file, state) in &after.entries {
            match self.entries.get(file) {
                // A listing that is empty was not looked at.
                None if self.entries.is_empty() && !self.left_out.is_empty() => {}
                None => _ = facts.files.insert(name(file), held(Path::new(file))),
                Some(before) if before != state && before.is_some() && state.is_some() => {
                    facts.files.insert(name(file), held(Path::new(file)));
                    // What an earlier run has left is as good as new.
                    facts.changed.extend(own.before.contains(file).then(|| name(file)));
                }
                Some(_) => {}
            }
        }
        if !after.entries.is_empty() {
            let is_gone = |file: &&OsString| own.before.contains(*file) && !after.entries.contains_key(*file);
            let gone = self.entries.keys().filter(is_gone);
            for file in gone {
                facts.files.insert(name(file), GONE);
                facts.changed.insert(name(file));
            }
        }
        facts.left_out = after.left_out;
    }
}

/// Stands for what a file holds that was removed.
pub const GONE: u64 = 1;

impl State {
    fn of(about: &Metadata) -> State {
        State { inode: about.ino(), size: about.len(), modified: (about.mtime(), about.mtime_nsec()) }
    }
}

/// A hash of what a file holds; of a large one its size, of a directory nothing.
fn held(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_file() && about.len() > READ_MAX => about.len(),
        Ok(about) if about.is_file() => content(path),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(size: u64) -> Option<State> {
        Some(State { inode: 1, size, modified: (0, 0) })
    }

    #[test]
    fn a_directory_that_was_not_looked_at_has_no_new_files() {
        let mut facts = Facts::default();
        Here { entries: Entries::new(), left_out: vec!["too many".into()] }.compare(&Own::default(), &mut facts);
        assert!(facts.files.is_empty() && facts.left_out.is_empty(), "{:?}", facts.files);
    }

    #[test]
    fn files_are_new_written_to_or_gone() {
        // Tests run in the directory of their package.
        let mut entries = Here::now(&Own::default()).entries;
        assert!(entries.remove(&OsString::from("src")).is_some(), "{:?}", entries.keys());
        entries.insert("Cargo.toml".into(), state(u64::MAX));
        entries.insert("gone".into(), state(1));
        let mut facts = Facts::default();
        let own = Own { before: entries.keys().cloned().collect(), ..Own::default() };
        entries.insert("left".into(), state(1));
        Here { entries, left_out: Vec::new() }.compare(&own, &mut facts);
        let files: Vec<(&str, u64)> = facts.files.iter().map(|(name, &hash)| (name.as_str(), hash)).collect();
        assert_eq!(files, [("./Cargo.toml", content(Path::new("Cargo.toml"))), ("./gone", GONE), ("./src", 0)]);
        assert_eq!(facts.changed.iter().collect::<Vec<_>>(), ["./Cargo.toml", "./gone"]);
    }

    #[test]
    fn what_memtrace_writes_is_left_out() {
        let own = Own::of([Path::new("Cargo.toml"), Path::new("../src"), Path::new("./build.rs")].into_iter());
        let names: Vec<String> = own.names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["Cargo.toml", "build.rs"]);
        assert!(!Here::now(&own).entries.contains_key(&OsString::from("Cargo.toml")));
    }
}

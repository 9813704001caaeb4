//! The profiles of a run: one for all its processes, or one a process, written once and completed once.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use super::script;
use crate::error::Error;
use crate::input::Input;
use crate::output;
use crate::profile::{EndStatus, Options, Profile, Suppress, carry};
use crate::recording::Recording;
use crate::sys::Pid;

/// How the profiles are named.
#[derive(Clone)]
pub struct Naming {
    /// With `%p`, `%e`, `%t`, `%%`.
    pub pattern: String,
    /// One profile a process.
    pub split: bool,
    /// The command's name, for `%e`.
    pub command: OsString,
}

/// A profile that exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// Its process; the target's for the whole run.
    pub pid: u32,
    /// Where it was put.
    pub path: PathBuf,
    /// st_dev: with the two below it tells whether the file is still as we wrote it.
    pub device: u64,
    /// st_ino; file systems give it to another file soon.
    pub inode: u64,
    /// st_mtime, in nanoseconds.
    pub modified_ns: u64,
}

impl Naming {
    /// Says before the start what would be wrong at the end.
    pub fn check(&self) -> Result<(), Error> {
        let letters = letters(&self.pattern)?;
        if self.split && !letters.contains(&'p') {
            return Err(Error::SplitWithoutPid { pattern: self.pattern.clone() });
        }
        let place = Path::new(&self.pattern).parent().filter(|place| !place.as_os_str().is_empty());
        match place {
            // A directory that is named by the run can be looked at only then.
            Some(place) if !place.to_string_lossy().contains('%') && !place.is_dir() => {
                let cause = io::Error::from_raw_os_error(libc::ENOENT);
                Err(Error::CannotWrite { path: PathBuf::from(&self.pattern), cause })
            }
            _ => Ok(()),
        }
    }
}

/// The letters behind the pattern's percent signs.
fn letters(pattern: &str) -> Result<Vec<char>, Error> {
    let mut letters = Vec::new();
    let mut rest = pattern;
    while let Some((_, behind)) = rest.split_once('%') {
        match behind.chars().next() {
            Some(letter) if "pet%".contains(letter) => letters.push(letter),
            other => {
                let found = format!("%{}", other.map(String::from).unwrap_or_default());
                return Err(Error::BadPattern { pattern: pattern.to_owned(), found });
            }
        }
        rest = behind.get(1..).unwrap_or_default();
    }
    Ok(letters)
}

/// Leaks that are none.
pub type Suppressed = Option<Rc<Suppress>>;

/// What profiles are built with. Nobody waited for the end of others than the target.
pub fn options(target: Pid, end: Option<EndStatus>, suppress: &Suppressed) -> Options {
    let ends: HashMap<u32, EndStatus> = end.map(|end| (target as u32, end)).into_iter().collect();
    Options { ends, suppress: suppress.clone(), ..Options::default() }
}

/// A profile that is to be written, with the pid and the name that its file's name is made of.
pub struct Part {
    pid: u32,
    name: OsString,
    profile: Profile,
}

/// The profiles of a recording.
pub fn build(recording: Recording, target: Pid, naming: &Naming, options: &Options) -> Result<Vec<Part>, Error> {
    let build = |(pid, name, recording)| Ok(Part { pid, name, profile: Profile::build(&recording, options)? });
    parts(recording, target, naming).into_iter().map(build).collect()
}

/// What somebody sees in a profile of all processes that these have.
pub fn look<T>(parts: &mut [Part], look: impl FnOnce(&Profile) -> T) -> T {
    let counts: Vec<usize> = parts.iter().map(|part| part.profile.processes.len()).collect();
    let mut whole = parts.first().map_or_else(Profile::without_processes, |part| part.profile.head());
    whole.processes = parts.iter_mut().flat_map(|part| std::mem::take(&mut part.profile.processes)).collect();
    let seen = look(&whole);
    let mut processes = whole.processes.into_iter();
    for (part, count) in parts.iter_mut().zip(counts) {
        part.profile.processes = processes.by_ref().take(count).collect();
    }
    seen
}

/// Writes them. A process in `old` has a profile: it is replaced, if it is still there.
pub fn write(parts: Vec<Part>, naming: &Naming, old: &[Written]) -> Result<Vec<Written>, Error> {
    let mut written = Vec::new();
    for Part { pid, name, mut profile } in parts {
        match old.iter().find(|old| old.pid == pid) {
            Some(old) => {
                // Whoever completes it has watched nobody; a profile that cannot be read again has no history to keep.
                if let Ok(Input::Profile(before)) = Input::read(&old.path, None) {
                    carry::histories(*before, &mut profile);
                }
                replace(old, &profile)?
            }
            None => written.push(create(pid, &name, naming, &profile)?),
        }
    }
    Ok(written)
}

/// The recording whole under the target's name, or by process.
fn parts(recording: Recording, target: Pid, naming: &Naming) -> Vec<(u32, OsString, Recording)> {
    if !naming.split {
        return vec![(target as u32, naming.command.clone(), recording)];
    }
    let Recording { processes, process_lost } = recording;
    let mut images: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for process in processes {
        images.entry(process.header.pid.get()).or_default().push(process);
    }
    let part = |(pid, processes): (u32, Vec<crate::recording::Process>)| {
        let exe = processes.last().and_then(|process| process.text(&process.header.exe)).unwrap_or_default();
        let name = script::base_name(OsStr::from_bytes(exe));
        let name = if name.is_empty() { naming.command.clone() } else { name };
        (pid, name, Recording { processes, process_lost })
    };
    images.into_iter().map(part).collect()
}

fn create(pid: u32, name: &OsStr, naming: &Naming, profile: &Profile) -> Result<Written, Error> {
    let new = output::create(&naming.pattern, pid, &name.to_string_lossy(), SystemTime::now())?;
    let (file, path) = new.write(|file| put(file, profile))?;
    let about = file.metadata().map_err(|cause| Error::CannotWrite { path: path.clone(), cause })?;
    Ok(Written { pid, device: about.dev(), inode: about.ino(), modified_ns: modified_ns(&about), path })
}

/// Puts a new profile in the place of the old in one step, so that a reader finds one of them whole.
fn replace(old: &Written, profile: &Profile) -> Result<(), Error> {
    let is_ours = |about: fs::Metadata| {
        about.is_file() && (about.dev(), about.ino(), modified_ns(&about)) == (old.device, old.inode, old.modified_ns)
    };
    if !fs::symlink_metadata(&old.path).is_ok_and(is_ours) {
        return Ok(());
    }
    let mut name = OsString::from(".");
    name.push(old.path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = old.path.with_file_name(name);
    let failed = |cause| {
        let _ = fs::remove_file(&temporary);
        Error::CannotWrite { path: old.path.clone(), cause }
    };
    let file = File::options().write(true).create_new(true).mode(0o600).open(&temporary);
    let file = file.map_err(|cause| Error::CannotWrite { path: temporary.clone(), cause })?;
    put(&file, profile).map_err(failed)?;
    fs::rename(&temporary, &old.path).map_err(failed)
}

fn modified_ns(about: &fs::Metadata) -> u64 {
    (about.mtime() as u64).wrapping_mul(1_000_000_000).wrapping_add(about.mtime_nsec() as u64)
}

fn put(file: &File, profile: &Profile) -> io::Result<()> {
    let mut to = BufWriter::new(file);
    profile.write_json(&mut to)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(pattern: &str, split: bool) -> Naming {
        Naming { pattern: pattern.to_owned(), split, command: "app".into() }
    }

    #[test]
    fn a_pattern_that_cannot_work_is_refused_before_the_start() {
        assert!(naming("%e.%p.json", true).check().is_ok());
        assert!(naming("%e.json", false).check().is_ok());
        assert!(matches!(naming("%e.json", true).check(), Err(Error::SplitWithoutPid { .. })));
        assert!(matches!(naming("%%p.json", true).check(), Err(Error::SplitWithoutPid { .. })));
        assert!(matches!(naming("%x.json", false).check(), Err(Error::BadPattern { .. })));
        assert!(matches!(naming("/nowhere/at/all/%p", false).check(), Err(Error::CannotWrite { .. })));
        assert!(naming("%e/%p", false).check().is_ok());
    }
}

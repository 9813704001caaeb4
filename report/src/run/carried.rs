//! Libraries that the command carries, laid out where the loader can open them.
//!
//! They need a path and not a descriptor: programs that are started in the tree of a target after the launcher has ended
//! load them too. So they lie in a cache, in a directory that is named by their content and stays.
//!
//! Invariants:
//! - a directory is used only if it is this user's alone, and if nobody but this user, root, and whoever has `/` could put
//!   another one into its place;
//! - a file is there whole, and is used only if every byte is as it is carried;
//! - a command that runs with other ids than its caller's lays out nothing: the environment names the places.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use crate::error::{Error, words};
use crate::{formats, sys};

/// A file's name and content.
pub type Library = (&'static str, &'static [u8]);

// LIBRARIES, and a HASH over them: none without the feature `embed`.
include!(concat!(env!("OUT_DIR"), "/carried.rs"));

const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;
const OTHERS: u32 = 0o077;

/// The first of the libraries that this command carries, in a directory with the others; `None`: it carries none.
pub fn library(command: &Path) -> Result<Option<PathBuf>, Error> {
    if LIBRARIES.is_empty() {
        return Ok(None);
    }
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let places = places(variable, sys::user_and_group().0);
    lay_out(&places, &format!("{HASH:016x}"), LIBRARIES, command).map(Some)
}

/// Where a cache may be, the best first.
fn places(variable: impl Fn(&str) -> Option<PathBuf>, user: u32) -> Vec<PathBuf> {
    let own = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let home = variable("HOME").filter(|path| path.is_absolute()).map(|home| home.join(".cache"));
    let temporary =
        [variable("TMPDIR").filter(|path| path.is_absolute()), Some("/tmp".into()), Some("/var/tmp".into())];
    let temporary = temporary.into_iter().flatten().map(|place| place.join(format!("memtrace-{user}")));
    own.or(home).into_iter().chain(temporary).collect()
}

/// Lays the files out in the first place that is safe; the path of the first of them. A link to the command lies beside
/// them: that is where the library looks for it.
fn lay_out(places: &[PathBuf], name: &str, libraries: &[Library], command: &Path) -> Result<PathBuf, Error> {
    let mut refused = Vec::new();
    for place in places {
        match lay_out_in(place, name, libraries, command) {
            Ok(path) => return Ok(path),
            Err(why) => refused.push(format!("`{}` {why}", place.display())),
        }
    }
    Err(Error::NoPlace { refused })
}

fn lay_out_in(place: &Path, name: &str, libraries: &[Library], command: &Path) -> Result<PathBuf, String> {
    let owner = fs::metadata("/proc/self").map_err(in_words)?.uid();
    let user = sys::user_and_group().0;
    if owner != user {
        return Err("is not asked for: memtrace runs set-id".into());
    }
    make(place).map_err(in_words)?;
    let place = place.canonicalize().map_err(in_words)?;
    let root = fs::metadata("/").map_err(in_words)?.uid();
    for directory in place.ancestors() {
        let about = fs::metadata(directory).map_err(in_words)?;
        is_trusted(&about, &[0, root, user])
            .map_err(|why| format!("cannot be trusted: `{}` {why}", directory.display()))?;
    }
    let own = place.join("memtrace").join(name);
    if own.as_os_str().as_bytes().iter().any(|byte| b": \t\n".contains(byte)) {
        return Err("has a `:` or a space in its path, at which the loader splits LD_PRELOAD".into());
    }
    for directory in [own.parent().unwrap_or(&own), &own] {
        make(directory).map_err(in_words)?;
        // Not through a link.
        let about = fs::symlink_metadata(directory).map_err(in_words)?;
        if !about.is_dir() || about.uid() != user || about.mode() & OTHERS != 0 {
            return Err(format!(
                "cannot be trusted: `{}` is not a directory of this user's alone",
                directory.display()
            ));
        }
    }
    for (name, bytes) in libraries {
        let path = own.join(name);
        if !is_there(&path, bytes) {
            let mut fill = |to: &mut dyn io::Write| to.write_all(bytes);
            formats::file(&path, 0o700, &mut fill).map_err(|error| format!("cannot be used: {error}"))?;
        }
        if !sys::may_execute(&path) {
            return Err("is on a file system that is mounted noexec".into());
        }
    }
    link(&own.join("memtrace"), command);
    let first = libraries.first().map(|(name, _)| own.join(name));
    first.ok_or_else(|| "gets no library".to_owned())
}

/// Makes a directory for this user alone, if there is none.
fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Whether only these users decide what lies at a path that leads through this directory.
fn is_trusted(about: &Metadata, users: &[u32]) -> Result<(), String> {
    if !users.contains(&about.uid()) {
        return Err(format!("belongs to user {}", about.uid()));
    }
    // In a sticky directory nobody can rename what is another's.
    if about.mode() & WRITABLE_BY_OTHERS != 0 && about.mode() & STICKY == 0 {
        return Err("can be written to by others".into());
    }
    Ok(())
}

fn is_there(path: &Path, bytes: &[u8]) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|about| about.is_file() && about.len() == bytes.len() as u64);
    is_file && fs::read(path).is_ok_and(|found| found == bytes)
}

/// Without the link a bare process prints the short report, so a failure is none of this command's.
fn link(path: &Path, command: &Path) {
    if fs::read_link(path).is_ok_and(|found| found == command) {
        return;
    }
    let beside = path.with_file_name(format!(".memtrace.{}", std::process::id()));
    if symlink(command, &beside).is_ok() && fs::rename(&beside, path).is_err() {
        let _ = fs::remove_file(&beside);
    }
}

fn in_words(cause: io::Error) -> String {
    format!("cannot be used: {}", words(&cause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const CARRIED: &[Library] = &[("libone.so", b"one"), ("libtwo.so", b"two")];

    /// A directory of this user's alone that goes away with the test.
    struct Home(PathBuf);

    impl Home {
        fn new(name: &str) -> Home {
            let path = std::env::temp_dir().join(format!("memtrace-carried-{}-{name}", std::process::id()));
            make(&path).unwrap();
            Home(path)
        }
    }

    impl Drop for Home {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn laid_out(place: &Path) -> Result<PathBuf, String> {
        lay_out_in(place, "0123", CARRIED, Path::new("/bin/sh"))
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_files_lie_in_a_private_directory_beside_a_link_to_the_command() {
        let home = Home::new("plain");
        let first = laid_out(&home.0.join("cache")).unwrap();
        assert!(first.ends_with("cache/memtrace/0123/libone.so"));
        assert_eq!(fs::read(&first).unwrap(), b"one");
        assert_eq!(fs::read(first.with_file_name("libtwo.so")).unwrap(), b"two");
        assert_eq!(fs::read_link(first.with_file_name("memtrace")).unwrap(), Path::new("/bin/sh"));
        assert!([first.parent(), first.ancestors().nth(2)].iter().all(|path| mode(path.unwrap()) == 0o700));
        let inode = fs::metadata(&first).unwrap().ino();
        assert_eq!(laid_out(&home.0.join("cache")), Ok(first.clone()));
        assert_eq!(fs::metadata(&first).unwrap().ino(), inode, "what is there is used");
    }

    #[test]
    fn what_is_there_and_is_not_as_it_is_carried_is_replaced() {
        let home = Home::new("changed");
        let first = laid_out(&home.0).unwrap();
        for change in [&b"two"[..], b"on", b"ones"] {
            fs::write(&first, change).unwrap();
            assert_eq!(laid_out(&home.0), Ok(first.clone()));
            assert_eq!(fs::read(&first).unwrap(), b"one");
        }
        let other = home.0.join("other");
        fs::write(&other, "one").unwrap();
        fs::remove_file(&first).unwrap();
        symlink(&other, &first).unwrap();
        laid_out(&home.0).unwrap();
        assert_eq!(fs::read(&first).unwrap(), b"one");
    }

    #[test]
    fn a_place_that_others_can_write_to_is_refused() {
        let home = Home::new("open");
        let place = home.0.join("cache");
        make(&place).unwrap();
        for (mode, why) in [(0o777, "written to by others"), (0o720, "written to by others")] {
            fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
            assert!(laid_out(&place).unwrap_err().contains(why));
            assert!(!place.join("memtrace").exists());
        }
        // Above it, too: whoever can rename it can put another into its place. But not where directories are sticky.
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(&home.0, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(laid_out(&place).unwrap_err().contains("written to by others"));
        fs::set_permissions(&home.0, fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(laid_out(&place).is_ok());
    }

    #[test]
    fn a_directory_that_is_a_link_or_open_to_others_is_refused() {
        let home = Home::new("link");
        let elsewhere = home.0.join("elsewhere");
        make(&elsewhere).unwrap();
        symlink(&elsewhere, home.0.join("memtrace")).unwrap();
        assert!(laid_out(&home.0).unwrap_err().contains("not a directory of this user's alone"));
        fs::remove_file(home.0.join("memtrace")).unwrap();
        let own = home.0.join("memtrace/0123");
        make(&own).unwrap();
        fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(laid_out(&home.0).unwrap_err().contains("not a directory of this user's alone"));
    }

    #[test]
    fn a_directory_of_somebody_else_is_refused() {
        let home = Home::new("owner");
        let about = fs::metadata(&home.0).unwrap();
        assert!(is_trusted(&about, &[about.uid()]).is_ok());
        let why = is_trusted(&about, &[about.uid() + 1]).unwrap_err();
        assert_eq!(why, format!("belongs to user {}", about.uid()));
    }

    #[test]
    fn the_next_place_is_taken_and_where_there_is_none_each_says_why() {
        let home = Home::new("next");
        let (odd, file, good) = (home.0.join("a b"), home.0.join("file"), home.0.join("good"));
        fs::write(&file, "").unwrap();
        let all = [odd.clone(), file.clone(), good.clone()];
        let path = lay_out(&all, "0123", CARRIED, Path::new("/bin/sh")).unwrap();
        assert!(path.starts_with(good.canonicalize().unwrap()));
        let error = lay_out(&all[..2], "0123", CARRIED, Path::new("/bin/sh")).unwrap_err().to_string();
        let said = format!("cannot lay out the libraries that it carries: `{}` has a `:` or a space", odd.display());
        assert!(error.starts_with(&said) && error.contains(&format!("`{}` cannot be used", file.display())), "{error}");
    }

    #[test]
    fn places_are_the_users_cache_and_then_temporary_ones() {
        let of = |variables: &'static [(&str, &str)]| {
            let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, path)| path.into());
            places(find, 7).iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of(&[("XDG_CACHE_HOME", "/c"), ("HOME", "/h")]), ["/c", "/tmp/memtrace-7", "/var/tmp/memtrace-7"]);
        assert_eq!(of(&[("XDG_CACHE_HOME", "c"), ("HOME", "/h")])[0], "/h/.cache");
        assert_eq!(of(&[("HOME", ""), ("TMPDIR", "/t")])[0], "/t/memtrace-7");
    }
}

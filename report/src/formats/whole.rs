//! A file that is there whole or not at all.
//!
//! Invariants:
//! - a regular file is written beside its place and renamed into it, so nobody reads half of one, and what was there
//!   stays if anything fails;
//! - devices and pipes are written to;
//! - links, pipes and devices that are neither ours nor root's are refused: where many may write, anybody can have put
//!   one in the place of a report.
//!
//! What is there is replaced, whatever it is: CI jobs run again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::sys;

/// Names tried for the file beside.
const ATTEMPTS_MAX: u32 = 100;

/// Writes a file. `mode`: who may read and write it, as far as the umask lets them.
pub fn write(path: &Path, mode: u32, report: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    check_owner(path)?;
    // What a link leads to is replaced, not the link.
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    match fs::metadata(&place) {
        Ok(about) if about.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(about) if !about.is_file() => {
            let file = OpenOptions::new().write(true).custom_flags(libc::O_NOCTTY).open(path)?;
            // Somebody may have put another file there in between.
            let is_other = file.metadata()?.is_file();
            return if is_other { Err(io::ErrorKind::AlreadyExists.into()) } else { fill(file, report) };
        }
        _ => {}
    }
    let (file, beside) = create_beside(&place, mode)?;
    let written = fill(file, report).and_then(|()| fs::rename(&beside, &place));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn check_owner(path: &Path) -> io::Result<()> {
    let Ok(about) = fs::symlink_metadata(path) else { return Ok(()) };
    let is_plain = about.is_file() || about.is_dir();
    if is_plain || [0, sys::user()].contains(&about.uid()) {
        return Ok(());
    }
    let what = if about.is_symlink() { "a link" } else { "a pipe or device" };
    let found = format!("it is {what} of user {}, expected one of ours or root's", about.uid());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, found))
}

fn fill(file: File, report: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut to = BufWriter::new(file);
    report(&mut to)?;
    to.flush()
}

fn create_beside(place: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    // Short, so that the longest names have room for it.
    let stem: String = name.chars().take(40).collect();
    for attempt in 0..ATTEMPTS_MAX {
        let beside = place.with_file_name(format!(".{stem}.{}.{attempt}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => return Ok((file, beside)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("memtrace-whole-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_is_replaced_whole_or_stays_as_it_was() {
        let folder = folder("replaced");
        let path = folder.join("out.json");
        write(&path, 0o666, &mut |to| to.write_all(b"first")).unwrap();
        let failed = write(&path, 0o666, &mut |to| {
            to.write_all(&[b'x'; 1 << 20])?;
            assert_eq!(fs::read(folder.join("out.json")).unwrap(), b"first");
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write(&path, 0o666, &mut |to| to.write_all(b"second")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing stays beside it");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let folder = folder("link");
        let (link, target) = (folder.join("link"), folder.join("target"));
        fs::write(&target, "old").unwrap();
        symlink(&target, &link).unwrap();
        write(&link, 0o666, &mut |to| to.write_all(b"new")).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn devices_are_written_to_and_folders_are_an_error() {
        write(Path::new("/dev/null"), 0o666, &mut |to| to.write_all(b"gone")).unwrap();
        let folder = folder("odd");
        assert_eq!(write(&folder, 0o666, &mut |_| Ok(())).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(write(&folder.join("no/x"), 0o666, &mut |_| Ok(())).unwrap_err().kind(), io::ErrorKind::NotFound);
        let long = folder.join("n".repeat(255));
        write(&long, 0o600, &mut |to| to.write_all(b"x")).unwrap();
        assert_eq!(fs::metadata(&long).unwrap().mode() & 0o777, 0o600);
        fs::remove_dir_all(folder).unwrap();
    }
}

//! Files that wait to be delivered: a directory of this user's, a file for each.
//!
//! ```text
//!   SPOOL/TIME-PID-NUMBER.push     a line of JSON: where to · the file as it is
//!   SPOOL/lock                     whoever sends has it
//! ```
//!
//! Invariants:
//! - an entry is there whole, and on the disk, before anything is sent of it; it goes when the store has it, and not before;
//! - names are in the order in which entries came;
//! - what others put there is read as carefully as any file, and left alone where it is no entry.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{Error, cannot_open};
use crate::{json, sys};

/// The largest file that is sent: it is held in memory.
const BODY_BYTES_MAX: u64 = 1 << 30;
/// The line before a file: a URL and little else.
const HEAD_BYTES_MAX: u64 = 1 << 16;
/// Names tried for a new entry.
const ATTEMPTS_MAX: u32 = 1000;
const ENDING: &str = ".push";

/// The directory.
pub struct Spool(PathBuf);

/// Whoever holds it sends.
pub struct Turn(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

/// The line before a file.
#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
    url: String,
}

const FORMAT: json::Format = json::Format { noun: "file of a spool", name: "memtrace-push", version: 1 };

/// A file that waits.
pub struct Entry {
    /// What tells it from all others, on all machines.
    pub name: String,
    path: PathBuf,
}

impl Spool {
    /// This directory, or the user's; it is made where there is none.
    pub fn open(place: Option<&Path>) -> Result<Spool, Error> {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = || variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
        let own = || state().map(|state| state.join("memtrace/spool"));
        let missing =
            || Error::Usage { found: "neither HOME nor XDG_STATE_HOME is set, expected `--spool DIR`".to_owned() };
        let path = place.map(Path::to_path_buf).or_else(own).ok_or_else(missing)?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|cause| Error::CannotWrite { path: path.clone(), cause })?;
        Ok(Spool(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Takes a copy of a file, for this URL.
    pub fn take(&self, file: &Path, url: &str) -> Result<(), Error> {
        self.take_made(&read(file, BODY_BYTES_MAX).map_err(|cause| cannot_open(file, cause))?, url)
    }

    /// Takes what was made of a file, for this URL.
    pub fn take_made(&self, body: &[u8], url: &str) -> Result<(), Error> {
        self.add(body, url).map_err(|cause| Error::CannotWrite { path: self.0.clone(), cause })
    }

    fn add(&self, body: &[u8], url: &str) -> io::Result<()> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let pid = std::process::id();
        for attempt in 0..ATTEMPTS_MAX {
            let name = format!("{time:020}-{pid}-{attempt}-{:016x}", sys::random()?);
            let beside = self.0.join(format!(".{name}"));
            let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            let head = Head { format: FORMAT.name.to_owned(), version: FORMAT.version, url: url.to_owned() };
            let written = json::append(&head, &mut file)
                .and_then(|()| file.write_all(body))
                .and_then(|()| file.sync_all())
                .and_then(|()| fs::rename(&beside, self.0.join(name + ENDING)))
                .and_then(|()| File::open(&self.0)?.sync_all());
            if written.is_err() {
                let _ = fs::remove_file(&beside);
            }
            return written;
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// The turn to send, unless somebody has it. It ends with its holder, however that ends.
    pub fn turn(&self) -> Result<Option<Turn>, Error> {
        let path = self.0.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|cause| Error::CannotWrite { path, cause })?;
        Ok(sys::try_lock(&file).then_some(Turn(file)))
    }

    /// What waits for this URL, the oldest first.
    pub fn entries(&self, url: &str) -> Result<Vec<Entry>, Error> {
        let names = fs::read_dir(&self.0).map_err(|cause| cannot_open(&self.0, cause))?.flatten();
        let mut names: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        let entry = |name: &String| {
            let path = self.0.join(name);
            let name = name.strip_suffix(ENDING).filter(|name| !name.starts_with('.'))?.to_owned();
            let (head, _) = parts(&path).ok()?;
            (head.format == FORMAT.name && head.version == FORMAT.version && head.url == url)
                .then_some(Entry { name, path })
        };
        Ok(names.iter().filter_map(entry).collect())
    }

    /// Takes out what was delivered.
    pub fn forget(&self, entry: &Entry) -> Result<(), Error> {
        fs::remove_file(&entry.path).map_err(|cause| Error::CannotWrite { path: entry.path.clone(), cause })
    }
}

impl Entry {
    /// The file as it was given.
    pub fn body(&self) -> Result<Vec<u8>, Error> {
        let read = parts(&self.path).and_then(|(_, file)| {
            let mut body = Vec::new();
            file.take(BODY_BYTES_MAX).read_to_end(&mut body).map(|_| body)
        });
        read.map_err(|cause| cannot_open(&self.path, cause))
    }
}

/// The line before a file, and a reader that stands behind it.
fn parts(path: &Path) -> io::Result<(Head, impl Read)> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut reader = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    (&mut reader).take(HEAD_BYTES_MAX).read_until(b'\n', &mut line)?;
    let head = json::line(&line).ok_or(io::ErrorKind::InvalidData)?;
    Ok((head, reader))
}

/// All of a file, or an error if it is longer.
fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut body)?;
    if body.len() as u64 > bytes_max { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(body) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            Place(std::env::temp_dir().join(format!("memtrace-spool-{}-{name}", std::process::id())))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_taken_waits_in_its_order_for_its_url_alone() {
        let place = Place::new("order");
        let spool = Spool::open(Some(&place.0)).unwrap();
        for (body, url) in [(&b"one"[..], "http://a"), (b"two\n{}\nthree", "http://a"), (b"", "http://b")] {
            spool.add(body, url).unwrap();
        }
        let bodies = |url| spool.entries(url).unwrap().iter().map(|entry| entry.body().unwrap()).collect::<Vec<_>>();
        assert_eq!(bodies("http://a"), [&b"one"[..], b"two\n{}\nthree"]);
        assert_eq!(bodies("http://b"), [b""]);
        assert!(bodies("http://c").is_empty());
        let first = spool.entries("http://a").unwrap().remove(0);
        assert_eq!(fs::metadata(&first.path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&place.0).unwrap().mode() & 0o777, 0o700);
        spool.forget(&first).unwrap();
        assert_eq!(bodies("http://a"), [b"two\n{}\nthree"]);
    }

    #[test]
    fn what_is_no_entry_is_left_alone() {
        let place = Place::new("odd");
        let spool = Spool::open(Some(&place.0)).unwrap();
        let odd = ["x.push", ".hidden.push", "lock", "cut.push", "deep.push"];
        for (name, text) in odd.iter().zip([
            "",
            r#"{"format":"memtrace-push","version":1,"url":"http://a"}"#,
            "",
            r#"{"form"#,
            &"[".repeat(1 << 20),
        ]) {
            fs::write(place.0.join(name), text).unwrap();
        }
        fs::create_dir(place.0.join("folder.push")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", place.0.join("link.push")).unwrap();
        assert!(spool.entries("http://a").unwrap().is_empty());
        assert!(odd.iter().all(|name| place.0.join(name).exists()));
    }

    #[test]
    fn one_sends_at_a_time() {
        let place = Place::new("turn");
        let spool = Spool::open(Some(&place.0)).unwrap();
        let first = spool.turn().unwrap();
        assert!(first.is_some() && spool.turn().unwrap().is_none());
        drop(first);
        assert!(spool.turn().unwrap().is_some());
    }

    #[test]
    fn a_file_that_is_too_long_or_not_there_is_an_error() {
        let place = Place::new("long");
        let spool = Spool::open(Some(&place.0)).unwrap();
        fs::write(place.0.join("file"), "12345").unwrap();
        assert_eq!(read(&place.0.join("file"), 5).unwrap(), b"12345");
        assert_eq!(read(&place.0.join("file"), 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(spool.take(&place.0.join("nowhere"), "http://a").is_err());
        assert!(spool.entries("http://a").unwrap().is_empty());
    }
}

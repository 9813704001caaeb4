//! Files that are made for a target: named by a pattern, never over an existing one.
//!
//! Invariants:
//! - the program's name is the target's choice, so it cannot lead into another folder;
//! - a regular file is always new; no symbolic link is followed to it;
//! - it has no name before it is whole, so nobody reads half of one and whoever writes it can be killed; where a file
//!   system has no files without names, it has its name at once and loses it if anything fails;
//! - devices and pipes that exist are written to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;
use crate::sys;
use crate::views::base_name;

/// Names tried before giving up: the plain one, `.PID`, `.PID.2`, …
const ATTEMPTS_MAX: u32 = 1000;
/// Bytes of a program's name; the kernel takes 255 for the whole file's.
const PROGRAM_BYTES_MAX: usize = 100;

/// A file that is being made.
pub struct New {
    file: File,
    /// Its name, or the one that it will have if nobody takes it first.
    path: PathBuf,
    /// Those that are left.
    names: Names,
    state: State,
}

/// How far its name is.
enum State {
    /// It gets one when it is whole.
    Unnamed,
    /// It is removed unless it is kept.
    Named,
    /// A device or pipe that was there before.
    Special,
}

/// Names for a file, in the order in which they are tried.
struct Names {
    name: String,
    pid: u32,
    attempt: u32,
}

impl Iterator for Names {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        let Names { name, pid, attempt } = self;
        let path = match *attempt {
            ATTEMPTS_MAX.. => return None,
            0 => name.clone(),
            1 => format!("{name}.{pid}"),
            _ => format!("{name}.{pid}.{attempt}"),
        };
        *attempt += 1;
        Some(path.into())
    }
}

/// Opens a new file (or an existing device or pipe) for a process.
pub fn create(pattern: &str, pid: u32, exe: &str, now: SystemTime) -> Result<New, Error> {
    let mut names = Names { name: expand(pattern, pid, exe, now), pid, attempt: 0 };
    while let Some(path) = names.next() {
        match open(&path) {
            Ok((file, state)) => return Ok(New { file, path, names, state }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(Error::CannotWrite { path, cause }),
        }
    }
    let cause = io::Error::new(io::ErrorKind::AlreadyExists, format!("{ATTEMPTS_MAX} files of this name exist"));
    Err(Error::CannotWrite { path: names.name.into(), cause })
}

impl New {
    /// Writes it, and gives it its name. The file is open still.
    pub fn write(mut self, put: impl FnOnce(&File) -> io::Result<()>) -> Result<(File, PathBuf), Error> {
        match put(&self.file).and_then(|()| self.name()) {
            Ok(()) => Ok((self.file, self.path)),
            Err(cause) => {
                if matches!(self.state, State::Named) {
                    let _ = fs::remove_file(&self.path);
                }
                Err(Error::CannotWrite { path: self.path, cause })
            }
        }
    }

    fn name(&mut self) -> io::Result<()> {
        while matches!(self.state, State::Unnamed) {
            match sys::name(&self.file, &self.path) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.path = self.names.next().ok_or(error)?;
                }
                // Without /proc, or where links are not allowed.
                Err(_) => self.copy()?,
            }
        }
        Ok(())
    }

    /// The same in a file that has its name from the start.
    fn copy(&mut self) -> io::Result<()> {
        let mut named = create_named(&self.path)?;
        self.state = State::Named;
        self.file.rewind()?;
        io::copy(&mut self.file, &mut named)?;
        self.file = named;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, State)> {
    if let Ok(about) = fs::symlink_metadata(path) {
        let kind = about.file_type();
        return match kind.is_char_device() || kind.is_fifo() {
            true => Ok((open_special(path, kind.is_fifo())?, State::Special)),
            false => Err(io::ErrorKind::AlreadyExists.into()),
        };
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = libc::O_TMPFILE | libc::O_CLOEXEC;
    match OpenOptions::new().read(true).write(true).mode(0o600).custom_flags(flags).open(folder) {
        Ok(file) => Ok((file, State::Unnamed)),
        // What else may be wrong with the folder is wrong here, too.
        Err(_) => Ok((create_named(path)?, State::Named)),
    }
}

fn create_named(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NOCTTY;
    OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags).open(path)
}

fn open_special(path: &Path, is_fifo: bool) -> io::Result<File> {
    let open = |flags| OpenOptions::new().write(true).custom_flags(flags | libc::O_CLOEXEC | libc::O_NOCTTY).open(path);
    // Without a reader the first open fails at once, where the second would wait.
    let probe = open(libc::O_NONBLOCK | libc::O_NOFOLLOW)?;
    let file = if is_fifo { open(libc::O_NOFOLLOW)? } else { probe };
    let kind = file.metadata()?.file_type();
    // Somebody may have put another file there in between.
    if kind.is_char_device() || kind.is_fifo() { Ok(file) } else { Err(io::ErrorKind::AlreadyExists.into()) }
}

/// `%p` pid, `%e` program, `%t` seconds since 1970, `%%` a percent sign.
fn expand(pattern: &str, pid: u32, exe: &str, now: SystemTime) -> String {
    let mut name = String::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match (letter, letters.as_str().chars().next()) {
            ('%', Some('p')) => name.push_str(&pid.to_string()),
            ('%', Some('e')) => name.push_str(&program(exe)),
            ('%', Some('t')) => {
                name.push_str(&now.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()).to_string());
            }
            ('%', Some('%')) => name.push('%'),
            _ => {
                name.push(letter);
                continue;
            }
        }
        letters.next();
    }
    name
}

/// The program's name as a part of a file's name.
fn program(exe: &str) -> String {
    let mut name = String::new();
    for letter in base_name(exe).chars() {
        if name.len() + letter.len_utf8() > PROGRAM_BYTES_MAX {
            break;
        }
        name.push(if letter.is_control() || letter == '/' { '_' } else { letter });
    }
    match name.as_str() {
        "" | "." | ".." => "program".into(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::time::Duration;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("memtrace-output-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_pattern_names_pid_program_and_time() {
        let now = UNIX_EPOCH + Duration::from_secs(1234);
        assert_eq!(expand("/tmp/%e.%p.%t%%", 7, "/bin/app", now), "/tmp/app.7.1234%");
        assert_eq!(expand("%", 7, "/bin/app", now), "%");
        assert_eq!(expand("%x%%p", 7, "/bin/app", now), "%x%p");
    }

    #[test]
    fn a_program_cannot_choose_the_folder() {
        for (exe, name) in [("/bin/..", "program"), ("", "program"), ("a/b\n\x1bc", "b__c"), ("..", "program")] {
            assert_eq!(program(exe), name);
        }
        assert_eq!(program(&"é".repeat(200)).len(), PROGRAM_BYTES_MAX);
    }

    /// A file that says `text`.
    fn made(pattern: &Path, text: &str) -> Result<PathBuf, Error> {
        let new = create(&pattern.display().to_string(), 7, "app", UNIX_EPOCH)?;
        new.write(|mut file| file.write_all(text.as_bytes())).map(|(_, path)| path)
    }

    #[test]
    fn an_existing_file_is_never_written_to() {
        let folder = folder("existing");
        let pattern = folder.join("out");
        fs::write(&pattern, "precious").unwrap();
        let (second, third) = (made(&pattern, "new").unwrap(), made(&pattern, "newer").unwrap());
        assert_eq!((second.clone(), third), (folder.join("out.7"), folder.join("out.7.2")));
        assert_eq!(fs::read_to_string(&pattern).unwrap(), "precious");
        assert_eq!(fs::read_to_string(&second).unwrap(), "new");
        assert_eq!(fs::metadata(second).unwrap().mode() & 0o777, 0o600);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn nobody_reads_half_of_a_file_and_one_that_failed_is_not_there() {
        let folder = folder("half");
        let pattern = folder.join("out");
        let count = || fs::read_dir(&folder).unwrap().count();
        let new = || create(&pattern.display().to_string(), 7, "app", UNIX_EPOCH).unwrap();
        let failed = new().write(|mut file| {
            file.write_all(b"half")?;
            assert_eq!(count(), 0);
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(failed.is_err());
        assert_eq!(count(), 0);
        // Of one that is killed: it is never named.
        drop(new());
        assert_eq!(count(), 0);
        // Somebody takes the name meanwhile.
        let (_, path) = new()
            .write(|mut file| {
                fs::write(&pattern, "precious")?;
                file.write_all(b"whole")
            })
            .unwrap();
        assert_eq!(path, folder.join("out.7"));
        assert_eq!(fs::read_to_string(path).unwrap(), "whole");
        assert_eq!(fs::read_to_string(&pattern).unwrap(), "precious");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn where_a_file_cannot_be_named_later_it_is_copied_and_one_that_failed_goes_away() {
        let folder = folder("copied");
        let pattern = folder.join("out");
        let new = || create(&pattern.display().to_string(), 7, "app", UNIX_EPOCH).unwrap();
        let mut copied = new();
        copied.file.write_all(b"whole").unwrap();
        copied.copy().unwrap();
        let (_, path) = copied.write(|mut file| file.write_all(b", and more")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole, and more");
        let mut failing = new();
        failing.path = folder.join("failing");
        failing.copy().unwrap();
        assert!(failing.write(|_| Err(io::ErrorKind::StorageFull.into())).is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_is_never_followed() {
        let folder = folder("link");
        let (link, target) = (folder.join("out"), folder.join("target"));
        symlink(&target, &link).unwrap();
        assert_eq!(made(&link, "x").unwrap(), folder.join("out.7"));
        assert!(!target.exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn devices_are_written_to_and_a_pipe_without_reader_is_an_error() {
        assert_eq!(made(Path::new("/dev/null"), "gone").unwrap(), Path::new("/dev/null"));
        let folder = folder("pipe");
        let pipe = folder.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(create(&pipe.display().to_string(), 7, "app", UNIX_EPOCH).is_err());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        let mut written = false;
        for _ in 0..500 {
            if made(&pipe, "hello").is_ok() {
                written = true;
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(written);
        assert_eq!(reader.join().unwrap(), "hello");
        fs::remove_dir_all(folder).unwrap();
    }
}

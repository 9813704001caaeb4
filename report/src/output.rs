//! Files that are made for a target: named by a pattern, never over an existing one.
//!
//! Invariants:
//! - the program's name is the target's choice, so it cannot lead into another folder;
//! - a regular file is always new; no symbolic link is followed to it;
//! - devices and pipes that exist are written to.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;
use crate::views::base_name;

/// Names tried before giving up: the plain one, `.PID`, `.PID.2`, …
const ATTEMPTS_MAX: u32 = 1000;
/// Bytes of a program's name; the kernel takes 255 for the whole file's.
const PROGRAM_BYTES_MAX: usize = 100;

/// Opens a new file (or an existing device or pipe) for a process.
pub fn create(pattern: &str, pid: u32, exe: &str, now: SystemTime) -> Result<(File, PathBuf), Error> {
    let name = expand(pattern, pid, exe, now);
    for attempt in 0..ATTEMPTS_MAX {
        let path = PathBuf::from(match attempt {
            0 => name.clone(),
            1 => format!("{name}.{pid}"),
            _ => format!("{name}.{pid}.{attempt}"),
        });
        match open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(Error::CannotWrite { path, cause }),
        }
    }
    let cause = io::Error::new(io::ErrorKind::AlreadyExists, format!("{ATTEMPTS_MAX} files of this name exist"));
    Err(Error::CannotWrite { path: name.into(), cause })
}

fn open(path: &Path) -> io::Result<File> {
    if let Ok(about) = fs::symlink_metadata(path) {
        let kind = about.file_type();
        return match kind.is_char_device() || kind.is_fifo() {
            true => open_special(path, kind.is_fifo()),
            false => Err(io::ErrorKind::AlreadyExists.into()),
        };
    }
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

    #[test]
    fn an_existing_file_is_never_written_to() {
        let folder = folder("existing");
        let pattern = folder.join("out").display().to_string();
        fs::write(&pattern, "precious").unwrap();
        let (_, second) = create(&pattern, 7, "app", UNIX_EPOCH).unwrap();
        let (mut file, third) = create(&pattern, 7, "app", UNIX_EPOCH).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!((second, third.clone()), (folder.join("out.7"), folder.join("out.7.2")));
        assert_eq!(fs::read_to_string(&pattern).unwrap(), "precious");
        assert_eq!(fs::metadata(third).unwrap().mode() & 0o777, 0o600);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_is_never_followed() {
        let folder = folder("link");
        let (link, target) = (folder.join("out"), folder.join("target"));
        symlink(&target, &link).unwrap();
        let (_, path) = create(&link.display().to_string(), 7, "app", UNIX_EPOCH).unwrap();
        assert_eq!(path, folder.join("out.7"));
        assert!(!target.exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn devices_are_written_to_and_a_pipe_without_reader_is_an_error() {
        let (mut file, path) = create("/dev/null", 7, "app", UNIX_EPOCH).unwrap();
        file.write_all(b"gone").unwrap();
        assert_eq!(path, Path::new("/dev/null"));
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
            if let Ok((mut file, _)) = create(&pipe.display().to_string(), 7, "app", UNIX_EPOCH) {
                file.write_all(b"hello").unwrap();
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

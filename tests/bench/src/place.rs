//! The temporary folder of one run: programs and data are made in it, targets run in it, and nothing of it stays.
//!
//! ```text
//!   Place/           programs, data, and step (which starts targets)
//!     └── out/       the working directory of the targets, empty before each
//! ```
//!
//! It goes when the `Place` is dropped, and also when the benchmark dies by any signal: a shell waits for the end of a
//! pipe that only the benchmark holds.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Error;

/// Reads to the end of the pipe. Targets that are just being stopped may write once more, so it looks again.
const KEEPER: &str = r#"cat >/dev/null; rm -rf -- "$0"; [ ! -e "$0" ] || { sleep 3; rm -rf -- "$0"; }"#;

/// The folder.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    keeper: Child,
}

impl Place {
    /// A new one, in the system's temporary directory.
    pub fn new() -> Result<Place, Error> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("memtrace-bench-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let make = || {
            fs::create_dir(&path)?;
            fs::create_dir(path.join("out"))?;
            path.canonicalize()
        };
        let path = make().map_err(|cause| Error::file("make the folder", &path, &cause))?;
        // A group of its own: an interrupt from the terminal must not end it.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEPER]).arg(&path).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let keeper = command.spawn().map_err(|cause| Error::failed(format!("cannot start `/bin/sh`: {cause}")))?;
        Ok(Place { path, keeper })
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a file there.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.join(name);
        fs::write(&path, text).map_err(|cause| Error::file("write", &path, &cause))?;
        Ok(path)
    }

    /// Where targets run.
    pub fn out(&self) -> PathBuf {
        self.join("out")
    }

    /// Takes away what the last target left in `out`.
    pub fn clear_out(&self) -> Result<(), Error> {
        let out = self.out();
        let made = fs::remove_dir_all(&out).and_then(|()| fs::create_dir(&out));
        made.map_err(|cause| Error::file("empty", &out, &cause))
    }

    /// Bytes in the files that the last target left in `out`.
    pub fn out_bytes(&self) -> u64 {
        let entries = fs::read_dir(self.out()).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
    }

    /// A command in this folder, with an environment that is the same for everyone.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.out()).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C");
        command.env("HOME", &self.path).env("TMPDIR", &self.path);
        command
    }

    /// Runs a command to its end, and gives its stdout.
    pub fn done(&self, mut command: Command) -> Result<Vec<u8>, Error> {
        let said = format!("{command:?}");
        let output = command.output().map_err(|cause| Error::failed(format!("cannot start `{said}`: {cause}")))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(Error::failed(format!("`{said}` ended with {}\n{}", output.status, stderr.trim_end())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_place() {
        let place = Place::new().unwrap();
        let path = place.path().to_owned();
        place.write("out/seven", "1234567").unwrap();
        assert_eq!(place.out_bytes(), 7);
        place.clear_out().unwrap();
        assert_eq!(place.out_bytes(), 0);
        drop(place);
        assert!(!path.exists());
    }
}

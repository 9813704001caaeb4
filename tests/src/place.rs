//! A directory for one test, with compilers; it goes away with the test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::job::{How, Job};

/// The directory.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    /// A new, empty one.
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("memtrace-tests-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("the temporary directory can be written to");
        // Messages of the target's and names in profiles are compared: no symbolic links in the path.
        Place(path.canonicalize().expect("it was just made"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Puts a file there.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, text).expect("the place can be written to");
        path
    }

    /// Puts an executable script there.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
        path
    }

    /// Compiles C text, with `-g -O1` before `flags`, into the program or library `name`.
    pub fn c(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let from = self.write(&format!("{name}.c"), source);
        self.compile(&from, name, flags)
    }

    /// The same for C++.
    pub fn cpp(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let from = self.write(&format!("{name}.cpp"), source);
        self.compile(&from, name, flags)
    }

    /// The same for Rust.
    pub fn rust(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let from = self.write(&format!("{name}.rs"), source);
        self.compile(&from, name, flags)
    }

    /// Compiles a file by the ending of its name into the program or library `name`.
    pub fn compile(&self, source: &Path, name: &str, flags: &[&str]) -> PathBuf {
        let to = self.join(name);
        let mut command = match source.extension().and_then(|ending| ending.to_str()) {
            Some("c") => compiler("cc", &["-g", "-O1"]),
            Some("cpp") => compiler("c++", &["-g", "-O1"]),
            Some("rs") => compiler("rustc", &["--edition=2024", "-g"]),
            _ => panic!("{} is in no language that is compiled", source.display()),
        };
        command.current_dir(&self.0).arg("-o").arg(&to).arg(source).args(flags);
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
        to
    }

    /// Something to run here.
    pub fn job(&self, how: How, program: impl AsRef<Path>) -> Job<'_> {
        Job::new(self, how, program.as_ref())
    }

    /// A name for a file that nothing here has yet.
    pub fn unused_name(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("profile-{}.json", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// Names of the files whose name has this piece, in order.
    pub fn files(&self, piece: &str) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the place is there").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.contains(piece)).collect();
        names.sort();
        names
    }

    /// The text of a file.
    pub fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn compiler(program: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(flags);
    command
}

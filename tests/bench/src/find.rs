//! Where things are: the pair that is measured, and the system's programs and libraries.
//!
//! A program or library that is missing is no error: the cell says so.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

/// Debian's own come first: a program of the same name further on may be a script around another one.
const PROGRAMS: &[&str] = &["/usr/bin", "/bin", "/usr/sbin", "/usr/local/bin"];

/// Folders with libraries; `gcc` knows more.
const LIBRARIES: &[&str] =
    &["/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/lib/heaptrack"];

/// Builds the pair into the target directory that the benchmark itself was built into, and gives its folder.
pub fn pair() -> Result<PathBuf, Error> {
    let lost = || Error::failed("the benchmark does not lie in a target directory").hint("give --pair");
    let own = std::env::current_exe().map_err(|_| lost())?;
    // It runs as `<target>/<profile>/memtrace-bench`.
    let target = own.ancestors().nth(2).ok_or_else(lost)?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).filter(|path| path.is_dir());
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace.ok_or_else(lost)?);
    command.args(["build", "--quiet", "--release", "-p", "memtrace-shim", "-p", "memtrace", "--target-dir"]);
    let status = command.arg(target).status().map_err(|cause| Error::failed(format!("cannot start cargo: {cause}")))?;
    if status.success() {
        return Ok(target.join("release"));
    }
    Err(Error::failed("the pair cannot be built")
        .hint("give --pair with a folder that has libmemtrace.so and memtrace"))
}

/// A program by its name: in Debian's folders, then along PATH. `cc1plus` is asked of g++.
pub fn program(name: &str) -> Option<PathBuf> {
    if name == "cc1plus" {
        return asked("g++", &format!("-print-prog-name={name}"));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = PROGRAMS.iter().map(PathBuf::from).chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A library by one of its names, the first that there is.
pub fn library(names: &[&str]) -> Option<PathBuf> {
    let in_folders =
        |name: &str| LIBRARIES.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file());
    names.iter().find_map(|name| in_folders(name).or_else(|| asked("gcc", &format!("-print-file-name={name}"))))
}

/// The absolute path that a compiler answers with; it says the bare name of what it does not have.
fn asked(compiler: &str, question: &str) -> Option<PathBuf> {
    let output = Command::new(program(compiler)?).arg(question).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    (path.is_absolute() && path.is_file()).then_some(path)
}

//! The release pair: `libmemtrace.so` and `memtrace`, as a user builds them, and the libraries of calls and of sources.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where they are.
#[derive(Debug)]
pub struct Pair {
    /// The library.
    pub library: PathBuf,
    /// The library of the calls; it lies beside the other.
    pub calls: PathBuf,
    /// The library that gives sources; it lies beside the others.
    pub debugmem: PathBuf,
    /// The command; it lies beside the library.
    pub command: PathBuf,
}

/// Names a directory with a pair that is to be tested instead: an installed one, say.
const READY: &str = "MEMTRACE_TEST_PAIR";

/// Builds the pair at the first call, into the target directory that this test was built into.
pub fn pair() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| match std::env::var_os(READY) {
        Some(directory) => found(Path::new(&directory)),
        None => found(&build().join("release")),
    })
}

fn build() -> PathBuf {
    let target = target_directory();
    let status = Command::new(env!("CARGO"))
        .current_dir(workspace())
        .args(["build", "--quiet", "--release", "-p", "memtrace-shim", "-p", "memtrace-calls"])
        .args(["-p", "memtrace-debugmem", "-p", "memtrace"])
        .arg("--target-dir")
        .arg(&target)
        .status()
        .expect("cargo can be started");
    assert!(status.success(), "the release pair cannot be built");
    target
}

/// An example of the crate for Rust programs, as the tests are built: a program.
pub fn api_example(name: &str) -> PathBuf {
    let target = target_directory();
    let status = Command::new(env!("CARGO"))
        .current_dir(workspace())
        .args(["build", "--quiet", "-p", "memtrace-api", "--examples", "--target-dir"])
        .arg(&target)
        .status()
        .expect("cargo can be started");
    assert!(status.success(), "the example cannot be built");
    target.join("debug/examples").join(name)
}

fn found(directory: &Path) -> Pair {
    let [library, calls, debugmem] =
        ["libmemtrace.so", "libmemtrace_calls.so", "libmemtrace_debugmem.so"].map(|name| directory.join(name));
    let pair = Pair { library, calls, debugmem, command: directory.join("memtrace") };
    let all = [&pair.library, &pair.calls, &pair.debugmem, &pair.command];
    assert!(all.iter().all(|path| path.is_file()), "{pair:?} is not there");
    pair
}

/// The top of the checkout.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the workspace")
}

/// A test runs as `<target>/<profile>/deps/<name>`.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().expect("the test has a path");
    program.ancestors().nth(3).expect("the test lies in a target directory").to_owned()
}

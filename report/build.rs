//! With the feature `embed`: builds the libraries that the command then carries. Without it: an empty list of them.
//!
//! The libraries are cdylibs of this workspace. A package cannot depend on another's cdylib in stable cargo, so cargo is
//! called for them, with a target directory of its own below OUT_DIR: two cargos never wait for each other's lock.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Packages, and the libraries that come of them.
const LIBRARIES: [(&str, &str); 3] = [
    ("memtrace-shim", "libmemtrace.so"),
    ("memtrace-calls", "libmemtrace_calls.so"),
    ("memtrace-debugmem", "libmemtrace_debugmem.so"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let (mut hash, mut rows) = (FNV_START, String::new());
    if env::var_os("CARGO_FEATURE_EMBED").is_some() {
        let built = build();
        for (_, name) in LIBRARIES {
            let path = built.join(name);
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("cannot read `{}`: {error}", path.display()));
            hash = bytes.iter().fold(hash, fnv);
            rows.push_str(&format!("    ({name:?}, include_bytes!({path:?})),\n"));
        }
    }
    let text = format!("const HASH: u64 = {hash};\nstatic LIBRARIES: &[Library] = &[\n{rows}];\n");
    let to = PathBuf::from(variable("OUT_DIR")).join("carried.rs");
    fs::write(&to, text).unwrap_or_else(|error| panic!("cannot write `{}`: {error}", to.display()));
}

/// Builds the libraries as the command is built; the directory that they lie in.
fn build() -> PathBuf {
    let top = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("..");
    for name in ["shim", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", top.join(name).display());
    }
    let (target, profile) = (variable("TARGET"), variable("PROFILE"));
    let directory = PathBuf::from(variable("OUT_DIR")).join("libraries");
    let mut cargo = Command::new(variable("CARGO"));
    cargo.current_dir(&top).args(["build", "--quiet", "--target", &target, "--target-dir"]).arg(&directory);
    cargo.args(LIBRARIES.iter().flat_map(|(package, _)| ["-p", package]));
    if profile == "release" {
        cargo.arg("--release");
    }
    // Names of functions stay; lines of memtrace's own code would only make the command larger.
    cargo.env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo").env("CARGO_PROFILE_DEV_STRIP", "debuginfo");
    let status = cargo.status().unwrap_or_else(|error| panic!("cannot start {cargo:?}: {error}"));
    assert!(status.success(), "{cargo:?}: {status}");
    directory.join(target).join(profile)
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| panic!("cargo sets {name}: {error}"))
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: it only tells builds apart. The bytes themselves are compared before they are used.
fn fnv(hash: u64, byte: &u8) -> u64 {
    (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
}

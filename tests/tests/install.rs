//! memtrace as it is installed: a prefix, a Debian package, a command that carries its libraries.
//!
//! What is installed is the pair that all tests take; the parts must find each other where they lie then.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use memtrace_tests::{How, Place, pair, workspace};

const LEAK: &str = "#include <stdlib.h>\nint main(void) { char *volatile p = malloc(4321); p = 0; return 0; }\n";
/// What the library prints of it, if it found its command; else a report is shorter.
const FOUND: &str = "at main (leak.c:2)";

/// Runs a command, which must succeed, and gives its stdout.
fn said(command: &mut Command) -> String {
    let output = ran(command);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ran(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Whether a tool is here; if not, says what is not shown.
fn has(tool: &str) -> bool {
    let found =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|place| place.join(tool).is_file());
    if !found {
        println!("not shown: {tool} is not installed");
    }
    found
}

/// `make` with the pair of the tests.
fn make(words: &[&str]) {
    let built = pair().command.parent().expect("it lies in a directory").display().to_string();
    said(Command::new("make").current_dir(workspace()).args(words).arg(format!("BUILT={built}")));
}

/// That command and library below `prefix` find each other, both ways.
fn works(place: &Place, command: &Path, library: &Path) {
    let leak = place.c("leak", LEAK, &[]);
    let profile = place.join("installed.json");
    let mut run = Command::new(command);
    said(run.args(["run", "-o"]).arg(&profile).arg("--").arg(&leak).current_dir(place.path()));
    let report = said(Command::new(command).arg("report").arg(&profile));
    assert!(report.contains("4,321 bytes in 1 block"), "{report}");
    fs::remove_file(profile).expect("it was written");
    let bare = place.job(How::Bare, &leak).library(library).run();
    assert!(bare.stderr.contains(FOUND), "{}", bare.stderr);
}

#[test]
fn a_prefix_has_all_parts_and_they_find_each_other_in_every_usual_layout() {
    let place = Place::new();
    for (name, lib) in [("plain", "lib"), ("multiarch", "lib/x86_64-linux-gnu"), ("lib64", "lib64")] {
        let prefix = place.join(name);
        make(&["install", &format!("PREFIX={}", prefix.display()), &format!("LIBDIR={}/{lib}", prefix.display())]);
        for file in [
            "include/memtrace.h",
            "share/man/man1/memtrace.1",
            "share/memtrace/python/memtrace.py",
            "share/bash-completion/completions/memtrace",
            "share/zsh/site-functions/_memtrace",
            "share/fish/vendor_completions.d/memtrace.fish",
            "lib/pkgconfig/memtrace.pc",
            "lib/cmake/memtrace/memtrace-config.cmake",
            "lib/cmake/memtrace/memtrace-config-version.cmake",
        ] {
            assert!(fs::metadata(prefix.join(file)).is_ok_and(|about| about.len() > 0), "{name}: {file}");
        }
        works(&place, &prefix.join("bin/memtrace"), &prefix.join(lib).join("libmemtrace.so"));
        make(&["uninstall", &format!("PREFIX={}", prefix.display()), &format!("LIBDIR={}/{lib}", prefix.display())]);
        let left = files_below(&prefix);
        assert!(left.is_empty(), "{name}: left by uninstall: {left:?}");
    }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("it can be read").flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

#[test]
fn shells_read_their_completions() {
    let place = Place::new();
    for (shell, check) in [
        (
            "bash",
            "source ./bash; COMP_WORDS=(memtrace swe); COMP_CWORD=1; _memtrace memtrace swe memtrace; echo \"${COMPREPLY[@]}\"",
        ),
        (
            "zsh",
            "autoload -U compinit; compinit -u -d ./dump; source ./zsh; (( $+functions[_memtrace] )) && echo sweep",
        ),
        ("fish", "source ./fish; complete -C 'memtrace swe'"),
    ] {
        let text = said(Command::new(&pair().command).args(["__completions", shell]));
        place.write(shell, &text);
        if has(shell) {
            let mut command = Command::new(shell);
            let answer = said(command.args(["-c", check]).current_dir(place.path()).env("HOME", place.path()));
            assert!(answer.starts_with("sweep"), "{shell}: {answer}");
        }
    }
}

#[test]
fn pkg_config_and_cmake_find_it_where_the_tree_was_moved_to() {
    let place = Place::new();
    make(&["install", &format!("PREFIX={}", place.join("first").display())]);
    let prefix = place.join("moved");
    fs::rename(place.join("first"), &prefix).expect("it was installed");
    let program = "#include <memtrace.h>\nint main(void) { return (int)memtrace_live_bytes(); }\n";
    if has("pkg-config") {
        let ask = |word: &str| {
            let mut command = Command::new("pkg-config");
            said(command.args([word, "memtrace"]).env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")))
                .trim()
                .to_owned()
        };
        assert_eq!(ask("--modversion"), env!("CARGO_PKG_VERSION"));
        assert!(Path::new(&ask("--variable=preload")).is_file() && Path::new(&ask("--variable=command")).is_file());
        let flags = ask("--cflags");
        let built = place.c("by_pkg_config", program, &flags.split(' ').collect::<Vec<_>>());
        assert_eq!(place.job(How::Native, built).run().code(), Some(0));
    }
    if has("cmake") {
        place.write("main.c", program);
        let lists = "cmake_minimum_required(VERSION 3.10)\nproject(user C)\nfind_package(memtrace 0.1 REQUIRED)\n\
            add_executable(user main.c)\ntarget_link_libraries(user PRIVATE memtrace::memtrace)\nenable_testing()\n\
            add_test(NAME leaks COMMAND memtrace::command check -- $<TARGET_FILE:user>)\n\
            if(NOT EXISTS \"${memtrace_PRELOAD}\")\n  message(FATAL_ERROR \"no library\")\nendif()\n";
        place.write("CMakeLists.txt", lists);
        let prefix = format!("-DCMAKE_PREFIX_PATH={}", prefix.display());
        let cmake = |words: &[&str]| said(Command::new("cmake").args(words).current_dir(place.path()));
        cmake(&["-S", ".", "-B", "built", &prefix]);
        cmake(&["--build", "built"]);
        said(Command::new("ctest").args(["--test-dir", "built"]).current_dir(place.path()));
        place.write("CMakeLists.txt", &lists.replace("memtrace 0.1", "memtrace 99"));
        let newer = ran(Command::new("cmake").args(["-S", ".", "-B", "newer", &prefix]).current_dir(place.path()));
        assert!(!newer.status.success(), "a version that is not there yet is found");
    }
}

#[test]
fn a_debian_package_is_whole_and_works_from_its_own_root() {
    if !has("dpkg-deb") || !has("dpkg") {
        return;
    }
    let place = Place::new();
    let built = pair().command.parent().expect("it lies in a directory");
    let deb = said(Command::new(workspace().join("package/deb.sh")).arg(place.path()).env("BUILT", built));
    let deb = PathBuf::from(deb.trim());
    assert!(deb.starts_with(place.path()) && deb.is_file(), "{}", deb.display());
    let about = |field: &str| said(Command::new("dpkg-deb").arg("-f").arg(&deb).arg(field)).trim().to_owned();
    assert_eq!((about("Package"), about("Architecture")), ("memtrace".into(), "amd64".into()));
    assert!(about("Version").starts_with(env!("CARGO_PKG_VERSION")));
    assert!(about("Depends").contains("libc6 (>= 2."), "{}", about("Depends"));
    let root = place.join("root");
    install_deb(&deb, &root);
    works(&place, &root.join("usr/bin/memtrace"), &root.join("usr/lib/x86_64-linux-gnu/libmemtrace.so"));
    for file in ["copyright", "changelog.gz", "THIRD-PARTY.gz"] {
        assert!(root.join("usr/share/doc/memtrace").join(file).is_file(), "{file}");
    }
    assert!(root.join("usr/lib/python3/dist-packages/memtrace.py").is_file());
}

/// By dpkg into a root of its own where this user may, so that its database is used, too; else its files alone.
fn install_deb(deb: &Path, root: &Path) {
    let is_root = fs::metadata("/proc/self").expect("/proc is there").uid() == 0;
    if !is_root {
        said(Command::new("dpkg-deb").arg("-x").arg(deb).arg(root));
        return;
    }
    let admin = root.join("var/lib/dpkg");
    for directory in ["info", "updates", "triggers"] {
        fs::create_dir_all(admin.join(directory)).expect("the place can be written to");
    }
    for file in ["status", "available"] {
        fs::write(admin.join(file), "").expect("the place can be written to");
    }
    let dpkg = || {
        let mut command = Command::new("dpkg");
        command.arg(format!("--root={}", root.display())).arg("--force-depends").arg("--log=/dev/null");
        command
    };
    said(dpkg().arg("-i").arg(deb));
    let listed = said(dpkg().args(["-L", "memtrace"]));
    assert!(listed.lines().any(|line| line == "/usr/bin/memtrace"), "{listed}");
}

#[test]
fn a_release_is_a_tree_that_works_where_it_is_unpacked_and_the_same_each_time() {
    if !has("dpkg-deb") {
        return;
    }
    let place = Place::new();
    let built = pair().command.parent().expect("it lies in a directory");
    let release = |name: &str| {
        let mut script = Command::new(workspace().join("package/release.sh"));
        said(script.arg(place.join(name)).env("BUILT", built).env("SOURCE_DATE_EPOCH", "1700000000"))
    };
    let sums = release("first");
    assert_eq!(sums.lines().count(), 2, "{sums}");
    assert_eq!(sums, release("second"));
    said(Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(place.join("first")));
    let name = format!("memtrace-{}-x86_64-linux-gnu", env!("CARGO_PKG_VERSION"));
    said(
        Command::new("tar")
            .arg("-xzf")
            .arg(place.join("first").join(format!("{name}.tar.gz")))
            .current_dir(place.path()),
    );
    let prefix = place.join(&name);
    works(&place, &prefix.join("bin/memtrace"), &prefix.join("lib/libmemtrace.so"));
    for file in ["LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY", "README.md"] {
        assert!(prefix.join(file).is_file(), "{file}");
    }
}

/// Built with the feature `embed`, in a directory of its own: the other tests have the command without.
#[test]
fn a_command_that_carries_its_libraries_needs_nothing_beside_it() {
    let place = Place::new();
    let target = pair().command.parent().and_then(Path::parent).expect("it lies in a target directory").join("embed");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace()).args(["build", "--quiet", "-p", "memtrace", "--features", "embed", "--target-dir"]);
    said(cargo.arg(&target));
    let command = place.join("tool");
    fs::copy(target.join("debug/memtrace"), &command).expect("it was built");
    let leak = place.c("leak", LEAK, &[]);
    let cache = place.join("cache");
    let run = |words: &[&str]| {
        let job = place.job(How::Native, &command).args(words.iter().copied()).env("XDG_CACHE_HOME", &cache);
        job.run()
    };
    // A check; and calls that fail, so that the second library is loaded, too.
    let checked = run(&["check", "--", leak.to_str().expect("a plain path")]);
    assert_eq!(checked.code(), Some(1), "{}", checked.stderr);
    let files = files_below(&cache);
    assert_eq!(files.len(), 4, "{files:?}");
    let library = files.iter().find(|file| file.ends_with("libmemtrace.so")).expect("it is laid out");
    let options = ["sweep", "--calls", "files", "--calls-only", "--order", "1", "--modes", "once", "--timeout", "60s"];
    let swept = run(&[&options[..], &["--fail-on", "none", "--", "/bin/ls", "/"]].concat());
    assert_eq!(swept.code(), Some(0), "{}", swept.stderr);
    let bare = place.job(How::Bare, &leak).library(library).run();
    assert!(bare.stderr.contains(FOUND), "the library does not find the command: {}", bare.stderr);
    // What others could have put there is neither used nor followed.
    fs::write(library, "not a library").expect("it is ours");
    assert_eq!(run(&["check", "--", leak.to_str().expect("a plain path")]).code(), Some(1));
    assert_eq!(fs::read(library).expect("it is there")[..4], *b"\x7fELF");
    assert_eq!(files_below(&cache), files);
}

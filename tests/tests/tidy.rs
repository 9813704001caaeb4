//! The house: first lines, sizes, arrows between crates, owners of packages, places of `unsafe`, settings in README.
//!
//! Each message gives file and line, and where the thing belongs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use memtrace_tests::{How, Place, workspace};
use memtrace_wire::settings::ROWS;

/// A file of this length has become two ideas.
const LINES_MAX: usize = 400;

/// Each crate, and the crates of the house that it may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("shim/api", &[]),
    ("shim/wire", &[]),
    ("shim/hot", &["memtrace-wire"]),
    ("shim/cold", &["memtrace-hot", "memtrace-wire"]),
    ("shim/calls", &["memtrace-hot", "memtrace-wire"]),
    ("shim/debugmem", &["memtrace-hot", "memtrace-wire"]),
    ("shim", &["memtrace-cold", "memtrace-hot", "memtrace-wire"]),
    ("report", &["memtrace-wire"]),
    ("tests", &["memtrace-wire"]),
    ("tests/bench", &["memtrace-tests"]),
];

/// Outside packages, and the files that own them: everyone else uses those files. `libc` is everyone's.
const OWNERS: &[(&str, &[&str])] = &[
    ("addr2line", &["report/src/names/lines.rs"]),
    ("backtrace", &[]),
    (
        "clap",
        &[
            "report/src/cli.rs",
            "report/src/formats.rs",
            "report/src/leaks.rs",
            "report/src/report.rs",
            "report/src/sweep/args.rs",
            "report/src/sweep/merge.rs",
            "report/src/sweep/repro.rs",
            "tests/bench/src/cli.rs",
        ],
    ),
    ("clap_mangen", &["report/src/man.rs"]),
    ("cpp_demangle", &["report/src/names/demangle.rs"]),
    ("ctor", &["shim/src/lib.rs"]),
    ("dashmap", &["report/src/names.rs"]),
    ("flate2", &["report/src/names/content.rs"]),
    ("gimli", &["report/src/names/lines.rs", "report/src/names/units.rs"]),
    (
        "jsonschema",
        &[
            "report/src/formats/sarif.rs",
            "report/src/profile/tests.rs",
            "report/src/sweep/file.rs",
            "tests/tests/endings.rs",
            "tests/tests/running/command.rs",
        ],
    ),
    ("libm", &["shim/hot/src/sample.rs"]),
    ("object", &["report/src/names/elf.rs", "tests/tests/binary.rs"]),
    ("parking_lot", &["report/src/names.rs"]),
    ("proptest", &["report/src/names/demangle.rs"]),
    ("roxmltree", &["report/src/formats/junit.rs", "report/src/xml.rs"]),
    ("rustc_demangle", &["report/src/names/demangle.rs"]),
    ("ruzstd", &["report/src/names/content.rs"]),
    (
        "serde",
        &[
            "report/src/json.rs",
            "report/src/profile/leaks.rs",
            "report/src/profile/model.rs",
            "report/src/profile/rows.rs",
            "report/src/sweep/course.rs",
            "report/src/sweep/facts.rs",
            "report/src/sweep/journal.rs",
            "report/src/sweep/lines.rs",
            "report/src/sweep/model.rs",
            "report/src/sweep/outcome.rs",
            "report/src/sweep/policy/parse.rs",
        ],
    ),
    (
        "serde_json",
        &[
            "report/src/formats/sarif.rs",
            "report/src/json.rs",
            "report/src/profile/tests.rs",
            "report/src/sweep/file.rs",
            "tests/bench/src/json.rs",
            "tests/src/profile.rs",
        ],
    ),
    ("toml", &["report/src/sweep/policy/parse.rs"]),
];

/// Folders and files in which `unsafe` may stand: what touches the target's memory, tables and mappings, and the
/// files of raw system calls.
const UNSAFE: &[&str] = &[
    "shim/src/",
    "shim/api/src/library.rs",
    "shim/calls/src/",
    "shim/debugmem/src/",
    "shim/hot/src/unwind/",
    "shim/hot/src/fault.rs",
    "shim/hot/src/index.rs",
    "shim/hot/src/live.rs",
    "shim/hot/src/map.rs",
    "shim/hot/src/modules.rs",
    "shim/hot/src/own.rs",
    "shim/hot/src/rows.rs",
    "shim/hot/src/side.rs",
    "shim/hot/src/store.rs",
    "shim/hot/src/symbols.rs",
    "shim/hot/src/thread.rs",
    "shim/hot/src/witness.rs",
    "shim/cold/src/check/memory.rs",
    "shim/cold/src/check/ranges.rs",
    "shim/cold/src/check/space.rs",
    "shim/cold/src/checkpoints.rs",
    "shim/cold/src/copy.rs",
    "shim/cold/src/file.rs",
    "shim/cold/src/freeze.rs",
    "shim/cold/src/given.rs",
    "shim/cold/src/helper.rs",
    "shim/cold/src/listing.rs",
    "shim/cold/src/parent.rs",
    "shim/cold/src/short.rs",
    "shim/cold/src/snapshot.rs",
    "shim/cold/src/task.rs",
    "shim/cold/src/threads.rs",
    "shim/wire/src/records.rs",
    "shim/wire/src/map.rs",
    "shim/wire/src/sys.rs",
    "report/src/end.rs",
    "report/src/sys.rs",
    "report/src/sys/start.rs",
    "report/src/sys/trace.rs",
    "report/src/sys/ghost.rs",
    "tests/src/child.rs",
];

/// How far above an `unsafe` its reason may stand.
const REASON_LINES_MAX: usize = 8;

/// A file of the checkout, named from its top.
struct File {
    name: String,
    text: String,
}

/// All texts of the checkout whose names end like this.
fn files(endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    collect(workspace(), endings, &mut found);
    assert!(found.len() > 3, "the checkout has only {} files of {endings:?}", found.len());
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn collect(directory: &Path, endings: &[&str], found: &mut Vec<File>) {
    let paths = fs::read_dir(directory).expect("it can be read").flatten().map(|entry| entry.path());
    for path in paths {
        let name = path.strip_prefix(workspace()).expect("it lies below").to_string_lossy().into_owned();
        if path.is_dir() && ![".git", "target"].contains(&name.as_str()) {
            collect(&path, endings, found);
        } else if path.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
            found.extend(fs::read_to_string(&path).ok().map(|text| File { name, text }));
        }
    }
}

/// Fails with all that was found.
fn none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// A line without its comment and without the texts in it.
fn code(line: &str) -> String {
    let mut code = String::new();
    for (place, piece) in line.split('"').enumerate() {
        if place % 2 == 0 {
            let end = piece.find("//");
            code.push_str(&piece[..end.unwrap_or(piece.len())]);
            if end.is_some() {
                break;
            }
        }
    }
    code
}

/// Whether a word stands there, not as part of another.
fn has_word(code: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Whether a line begins a path with this package, and not with a module of the same name.
fn names_package(code: &str, package: &str) -> bool {
    let path = format!("{package}::");
    let is_part = |letter: char| letter.is_alphanumeric() || "_:".contains(letter);
    let begins = |at: usize| !code[..at].chars().next_back().is_some_and(is_part);
    code.match_indices(&path).any(|(at, _)| begins(at)) || code.trim_start().starts_with(&format!("use {package};"))
}

/// Packages that a manifest depends on, as Rust writes their names.
fn dependencies(manifest: &str) -> impl Iterator<Item = String> {
    let is_table =
        |part: &&str| part.lines().next().is_some_and(|head| head.trim_matches(['[', ']']).ends_with("dependencies"));
    let lines = manifest.split("\n[").filter(is_table).flat_map(|part| part.lines().skip(1));
    let names = lines.map(|line| line.split(['.', '=', ' ']).next().unwrap_or_default().replace('-', "_"));
    names.filter(|name| !name.is_empty() && !name.starts_with('#'))
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let wrong = files(&[".rs"]).into_iter().filter(|file| !file.text.starts_with("//! "));
    none(wrong.map(|file| format!("{}:1: a file begins with `//! ` and one sentence", file.name)).collect());
}

#[test]
fn no_file_is_two_ideas() {
    let mut wrong = Vec::new();
    for file in files(&[".rs", ".py", ".c", ".cpp"]) {
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{}:{lines}: longer than {LINES_MAX} lines: find the second noun", file.name));
        }
    }
    none(wrong);
}

#[test]
fn arrows_between_crates_point_one_way() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in files(&["Cargo.toml"]).iter().filter(|file| file.name != "Cargo.toml") {
        let folder = file.name.trim_end_matches("/Cargo.toml");
        let Some(&(name, allowed)) = ARROWS.iter().find(|(name, _)| *name == folder) else {
            wrong.push(format!("{}: a crate that ARROWS does not know", file.name));
            continue;
        };
        seen.insert(name);
        for (number, line) in file.text.lines().enumerate() {
            let package = line.split(['.', '=', ' ']).next().unwrap_or_default();
            let is_ours = package.starts_with("memtrace-") || package == "memtrace";
            if is_ours && !allowed.contains(&package) {
                wrong.push(format!("{}:{}: {folder} may name {allowed:?} only, not {package}", file.name, number + 1));
            }
        }
    }
    none(wrong);
    assert_eq!(seen.len(), ARROWS.len(), "ARROWS names crates that are not there: {seen:?}");
}

#[test]
fn every_outside_package_is_named_by_its_owner_only() {
    let mut wrong = Vec::new();
    let manifests = files(&["Cargo.toml"]);
    for file in files(&[".rs"]) {
        // A crate that does not depend on a package may have a module of that name.
        let folder = |manifest: &File| manifest.name.trim_end_matches("Cargo.toml").to_owned();
        let own = manifests
            .iter()
            .filter(|manifest| manifest.name != "Cargo.toml" && file.name.starts_with(&folder(manifest)));
        let Some(manifest) = own.max_by_key(|manifest| manifest.name.len()) else { continue };
        let packages: BTreeSet<String> = dependencies(&manifest.text).collect();
        for (number, line) in file.text.lines().enumerate() {
            let code = code(line);
            for (package, owners) in OWNERS.iter().filter(|(package, _)| packages.contains(*package)) {
                if names_package(&code, package) && !owners.contains(&file.name.as_str()) {
                    wrong.push(format!("{}:{}: `{package}` belongs to {owners:?}", file.name, number + 1));
                }
            }
        }
    }
    none(wrong);
    let mut unknown = Vec::new();
    for manifest in manifests.iter().filter(|file| file.name != "Cargo.toml") {
        for package in dependencies(&manifest.text) {
            let is_known = package.starts_with("memtrace") || package == "libc";
            if !is_known && !OWNERS.iter().any(|(name, _)| *name == package) {
                unknown.push(format!("{}: `{package}` has no owner in OWNERS", manifest.name));
            }
        }
    }
    none(unknown);
}

#[test]
fn unsafe_stands_in_its_places_and_says_why() {
    let mut wrong = Vec::new();
    for file in files(&[".rs"]) {
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = code(line);
            // `unsafe_op_in_unsafe_fn` and `unsafe(naked)` are words of their own kind.
            if !has_word(&code, "unsafe") || code.contains("unsafe(") {
                continue;
            }
            let place = format!("{}:{}", file.name, number + 1);
            if !UNSAFE.iter().any(|allowed| file.name.starts_with(allowed)) {
                wrong.push(format!("{place}: `unsafe` belongs to one of {UNSAFE:?}"));
            }
            let needs_reason = code.contains("unsafe {") || code.contains("unsafe impl");
            let above = &lines[number.saturating_sub(REASON_LINES_MAX)..=number];
            if needs_reason && !above.iter().any(|line| line.contains("SAFETY:")) {
                wrong.push(format!("{place}: one line `// SAFETY:` names the fact that makes it sound"));
            }
        }
    }
    none(wrong);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file is clean.
    let words = [
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("TO", "DO"),
        concat!("to", "do!"),
        concat!("un", "implemented!"),
        concat!("db", "g!"),
    ];
    let mut wrong = Vec::new();
    for file in files(&[".rs", ".toml", ".md", ".c", ".cpp", ".py", ".sh", ".json"]) {
        for (number, line) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| has_word(line, word)) {
                wrong.push(format!("{}:{}: {word}", file.name, number + 1));
            }
        }
    }
    none(wrong);
}

#[test]
fn no_file_knows_the_machine_that_it_was_written_on() {
    let homes = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let mut wrong = Vec::new();
    for file in files(&[".rs", ".toml", ".md", ".c", ".cpp", ".py", ".sh", ".json", ".txt"]) {
        for (number, line) in file.text.lines().enumerate() {
            for home in homes.iter().filter(|home| line.contains(**home)) {
                wrong.push(format!("{}:{}: a path below {home}", file.name, number + 1));
            }
        }
    }
    none(wrong);
}

#[test]
fn the_readme_has_every_setting_as_its_row_says() {
    let path: PathBuf = workspace().join("README.md");
    let readme = fs::read_to_string(&path).unwrap_or_default();
    // Without the marks there is no table yet.
    let Some((_, rest)) = readme.split_once("<!-- settings -->") else { return };
    let (table, _) = rest.split_once("<!-- /settings -->").expect("README.md: `<!-- /settings -->` is missing");
    let cell = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
    let row = |row: &memtrace_wire::settings::Row| format!("| `{}` | {} | {} |", row.name, cell(row.default), row.text);
    let expected: Vec<String> = ROWS.iter().map(row).collect();
    let found: Vec<&str> = table.lines().map(str::trim).filter(|line| line.starts_with("| `")).collect();
    assert_eq!(found, expected, "README.md: the table of settings is not that of shim/wire/src/settings.rs");
}

#[test]
fn the_man_page_and_the_help_have_every_setting_as_its_row_says() {
    let place = Place::new();
    let said = |arguments: &[&str]| {
        let ended = place.job(How::Native, &memtrace_tests::pair().command).args(arguments).run();
        assert!(ended.status.success(), "{}: {}", ended.command, ended.stderr);
        ended.stdout
    };
    let page = said(&["__man"]).replace("\\-", "-").replace("\\(ga", "`").replace("\\e", "\\");
    let help = said(&["--help"]);
    for row in ROWS {
        assert!(page.contains(&format!(".B {}\n{}\n", row.name, row.text)), "{} in the man page", row.name);
        let has_row = |line: &str| line.trim_start().starts_with(row.name) && line.contains(row.text);
        assert!(help.lines().any(has_row), "{} in the help", row.name);
    }
}

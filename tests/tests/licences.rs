//! The list of packages that memtrace is built and tested with: each is in it, with a licence that may be.
//!
//! `UPDATE_GOLDEN=1` writes the list. It asks cargo for the licences, which fetches what is not here yet.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use memtrace_tests::{Json, workspace};

const LIST: &str = "DEPENDENCIES.md";
const HEAD: &str = "# Packages of others\n\nWhat memtrace is built and tested with, from `Cargo.lock`. `package/third-party.sh` prints the \
    licences of those that are\nin the command and the libraries; releases and the Debian package carry them.\n\n\
    | package | version | licence |\n|---|---|---|\n";
/// Licences that ask for no more than to be named. One of an `OR` is enough; all of an `AND` are needed.
const ALLOWED: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Zlib",
];

/// Name and version of each package of others in Cargo.lock.
fn locked() -> Vec<(String, String)> {
    let text = fs::read_to_string(workspace().join("Cargo.lock")).expect("it is part of the checkout");
    let of = |part: &str, key: &str| {
        let line = part.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim_start_matches(" = ").trim_matches('"').to_owned())
    };
    let mut found: Vec<(String, String)> = text
        .split("[[package]]")
        .filter(|part| part.contains("\nsource = "))
        .filter_map(|part| Some((of(part, "name")?, of(part, "version")?)))
        .collect();
    found.sort();
    assert!(found.len() > 20, "Cargo.lock has only {} packages", found.len());
    found
}

/// The rows of the list: name and version with the licence.
fn listed() -> BTreeMap<(String, String), String> {
    let text = fs::read_to_string(workspace().join(LIST)).unwrap_or_default();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(1).map(cells);
    rows.filter_map(|cells| match &cells[..] {
        [name, version, licence] => Some(((name.clone(), version.clone()), licence.clone())),
        _ => None,
    })
    .collect()
}

/// Whether one may use it so. Parentheses stand around an `OR` inside an `AND`.
fn is_allowed(licence: &str) -> bool {
    let licence = licence.replace('/', " OR ");
    let bare = |text: &str| text.trim().trim_matches(['(', ')']).trim().to_owned();
    let one = |part: &str| part.split(" OR ").any(|name| ALLOWED.contains(&bare(name).as_str()));
    let whole = bare(&licence);
    if licence.contains('(') {
        licence.split(" AND ").all(one)
    } else {
        whole.split(" OR ").any(|part| part.split(" AND ").all(one))
    }
}

fn update(locked: &[(String, String)]) {
    let asked = Command::new(env!("CARGO"))
        .current_dir(workspace())
        .args(["metadata", "--all-features", "--format-version", "1"])
        .output();
    let asked = asked.expect("cargo can be started");
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let metadata: Json = String::from_utf8_lossy(&asked.stdout).parse().expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let mut text = HEAD.to_owned();
    for (name, version) in locked {
        let is_it = |package: &&Json| package["name"] == **name && package["version"] == **version;
        let package = packages.iter().find(is_it).unwrap_or_else(|| panic!("cargo does not know {name} {version}"));
        text += &format!("| {name} | {version} | {} |\n", package["license"].as_str().unwrap_or("none"));
    }
    fs::write(workspace().join(LIST), text).expect("the checkout can be written to");
}

#[test]
fn every_package_is_listed_with_a_licence_that_may_be() {
    let locked = locked();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        update(&locked);
    }
    let listed = listed();
    let missing: Vec<_> = locked.iter().filter(|package| !listed.contains_key(package)).collect();
    let gone: Vec<_> = listed.keys().filter(|package| !locked.contains(package)).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "{LIST} is not that of Cargo.lock: {missing:?} are not in it, {gone:?} are too much\n\
         hint: UPDATE_GOLDEN=1 cargo test -p memtrace-tests --test licences"
    );
    let refused: Vec<_> = listed.iter().filter(|(_, licence)| !is_allowed(licence)).collect();
    assert!(refused.is_empty(), "not permissive: {refused:?}");
    is_what_cargo_says(&listed);
}

#[test]
fn licences_are_read_as_they_are_written() {
    for licence in [
        "MIT",
        "MIT OR Apache-2.0",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR GPL-3.0) AND Unicode-3.0",
        "MIT AND ISC",
    ] {
        assert!(is_allowed(licence), "{licence}");
    }
    for licence in ["", "none", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "LGPL-2.1 OR MPL-2.0"] {
        assert!(!is_allowed(licence), "{licence}");
    }
}

/// Where cargo knows the packages already: what it says is what the list says.
fn is_what_cargo_says(listed: &BTreeMap<(String, String), String>) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace()).args(["metadata", "--offline", "--locked", "--format-version", "1"]);
    let asked = cargo.args(["--filter-platform", "x86_64-unknown-linux-gnu"]).output();
    let Some(asked) = asked.ok().filter(|asked| asked.status.success()) else {
        println!("not shown: cargo has not fetched all packages");
        return;
    };
    let metadata: Json = String::from_utf8_lossy(&asked.stdout).parse().expect("cargo writes JSON");
    for package in
        metadata["packages"].as_array().expect("a list").iter().filter(|package| !package["source"].is_null())
    {
        let text = |key: &str| package[key].as_str().unwrap_or("none").to_owned();
        assert_eq!(listed.get(&(text("name"), text("version"))), Some(&text("license")), "{}", text("name"));
    }
}

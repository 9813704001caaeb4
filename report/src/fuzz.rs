//! Readers, given bytes that nobody meant.
//!
//! Each target takes a file as the command takes it, by its path, and lets everything be written that the command would
//! write of it. What a file holds may be refused, never more: no panic, no abort, no end of memory, no bytes that steer
//! a terminal. Two drivers call them: libFuzzer, of a nightly compiler (`tests/fuzz.sh`), and one for every compiler,
//! which mutates samples (`driver`).

#[cfg(test)]
mod driver;
#[cfg(test)]
mod flips;

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::check;
use crate::check::baseline::Baseline;
use crate::check::diff::{self, Measure};
use crate::export;
use crate::formats::Format;
use crate::import;
use crate::input::Input;
use crate::names::{self, ModuleKey, Places, Wanted};
use crate::profile::{self, Profile, Suppress};
use crate::rules::{self, Syntax};
use crate::suppress::{Frame, Kind, Rules};
use crate::sweep;
use crate::sweep::model::Sweep;
use crate::sys;
use crate::text::{self, Request};
use crate::views::tree::Direction;
use crate::views::{By, Choice};
use crate::xml;

/// A reader under test.
pub struct Target {
    /// What it reads; its corpus is called so, too.
    pub name: &'static str,
    /// Reads it.
    pub run: fn(&[u8]),
}

/// All readers.
pub const TARGETS: &[Target] = &[
    Target { name: "recording", run: recording },
    Target { name: "profile", run: input },
    Target { name: "sweep", run: input },
    Target { name: "baseline", run: baseline },
    Target { name: "policy", run: policy },
    Target { name: "suppressions", run: suppressions },
    Target { name: "elf", run: elf },
    Target { name: "settings", run: settings },
    Target { name: "import", run: import },
];

/// The target that MEMTRACE_FUZZ names, for libFuzzer.
#[cfg(feature = "fuzzing")]
pub fn chosen() -> &'static Target {
    let name = std::env::var("MEMTRACE_FUZZ").unwrap_or_default();
    TARGETS.iter().find(|target| target.name == name).expect("MEMTRACE_FUZZ names a target")
}

/// A file with these bytes, and a path to it.
fn file(bytes: &[u8]) -> (File, PathBuf) {
    let mut file = sys::memfd(c"fuzz").expect("the system has memory files");
    file.write_all(bytes).expect("a memory file takes what it is given");
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    (file, path)
}

/// A recording that claims to be one, whatever else it says.
fn recording(bytes: &[u8]) {
    let mut whole = bytes.to_vec();
    let magic = memtrace_wire::layout::MAGIC.to_le_bytes();
    if let Some(start) = whole.get_mut(..magic.len()) {
        start.copy_from_slice(&magic);
    }
    input(&whole);
}

/// What `report`, `check` and `diff` are given.
fn input(bytes: &[u8]) {
    let (_file, path) = file(bytes);
    input_at(&path);
}

fn input_at(path: &Path) {
    match Input::read(path, None) {
        Ok(Input::Profile(profile)) => {
            show(&profile);
            let mut again = Vec::new();
            profile.write_json(&mut again).expect("memory takes it");
            let read = Profile::from_json(&again, "what was written");
            assert!(read.is_ok(), "what was written is not read: {}", read.err().unwrap());
        }
        Ok(Input::Sweep(sweep)) => show_sweep(&sweep),
        Err(error) => harmless(&error.to_string()),
    }
}

/// Everything that the commands write of a profile.
fn show(profile: &Profile) {
    let choices = [By::Stack, By::Function, By::Thread].map(|by| Choice { by, ..Choice::default() });
    for tree in [None, Some(Direction::TopDown), Some(Direction::BottomUp)] {
        let request = Request { tree, ..Request::default() };
        harmless(&written(|to| text::report(profile, &request, to)));
    }
    for choice in &choices {
        harmless(&written(|to| text::why(profile, choice, to)));
        written(|to| profile::write_rows(profile, choice, to));
    }
    for syntax in [Syntax::Lsan, Syntax::Valgrind] {
        harmless(&written(|to| rules::write(profile, syntax, None, &choices[0], to)));
    }
    written(|to| xml::write(profile, None, &choices[0], to).map(|_| ()));
    diff::table(Measure::Leaked, [profile, profile], Default::default());
    // Without heaptrack's, which has a line for each allocation that a profile claims.
    let targets = export::Target::WORDS.iter().filter_map(|word| word.parse().ok());
    for target in targets.filter(|&target| target != export::Target::Heaptrack) {
        export::written(profile, target).expect("memory takes it");
    }
    check::write_all(profile.clone(), &mut |format, text| {
        if matches!(format, Format::Text | Format::Github | Format::Markdown | Format::Tap) {
            harmless(&text);
        }
    });
}

fn show_sweep(sweep: &Sweep) {
    harmless(&written(|to| sweep::text::report(sweep, Default::default(), to)));
    let lines = written(|to| sweep::lines::write(sweep, to));
    assert!(sweep::lines::read(lines.as_bytes(), "what was written").is_ok(), "lines that were written are not read");
    for format in [Format::Junit, Format::Sarif, Format::Github, Format::Markdown, Format::Gitlab, Format::Tap] {
        let text = written(|to| sweep::out::render(sweep, format, |_| true, to));
        if matches!(format, Format::Github | Format::Markdown | Format::Tap) {
            harmless(&text);
        }
    }
}

/// What other profilers have written.
fn import(bytes: &[u8]) {
    let (_file, path) = file(bytes);
    match import::read(&path) {
        Ok(process) => show(&Profile { processes: vec![process], ..Profile::without_processes() }),
        Err(error) => harmless(&error.to_string()),
    }
}

fn baseline(bytes: &[u8]) {
    let (_file, path) = file(bytes);
    match Baseline::read(&path) {
        Ok(baseline) => drop(written(|to| baseline.write(to))),
        Err(error) => harmless(&error.to_string()),
    }
}

/// The one file that sweeps and checks take.
fn policy(bytes: &[u8]) {
    let (_file, path) = file(bytes);
    if let Err(error) = check::policy::Policy::of(Some(path), Default::default()) {
        harmless(&error.to_string());
    }
}

fn suppressions(bytes: &[u8]) {
    match Rules::from_text("rules", bytes) {
        Ok(rules) => {
            let frame = |function| Frame {
                function: Some(function),
                module: "/usr/lib/libdemo.so.1",
                file: Some("/src/demo.c"),
                line: Some(12),
                ..Frame::default()
            };
            let frames = ["made", "Demo::filled<int>(a, b*)", "main"].map(frame);
            let mut matcher = rules.matcher();
            matcher.first_match(Kind::Definite, "malloc", &frames);
            matcher.first_match(Kind::Possible, "operator new", &[]);
            drop(Suppress::new(&rules));
        }
        Err(error) => harmless(&error.to_string()),
    }
}

/// A module with debug information, asked at its first addresses and at some that it chooses.
fn elf(bytes: &[u8]) {
    let (_file, path) = file(bytes);
    let chosen = bytes.rchunks_exact(8).take(4).filter_map(|word| Some(u64::from_le_bytes(word.try_into().ok()?)));
    let code = (0..64).map(|page| page * 96).chain(chosen).collect();
    let wanted = Wanted { code, data: (0..64).map(|page| page * 512).collect(), symbols: true };
    let key = ModuleKey { build_id: names::build_id(&path).unwrap_or_default(), path: path.clone() };
    names::resolve([(key, wanted)].into(), &Places::system());
    names::datum(&path, 0x4000);
    names::exported(&path, "main");
}

/// Variables with zeroes between them.
fn settings(bytes: &[u8]) {
    memtrace_wire::settings::parse(bytes.split(|&byte| byte == 0));
}

fn written(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> String {
    let mut to = Vec::new();
    write(&mut to).expect("memory takes it");
    String::from_utf8(to).expect("reports are UTF-8")
}

/// Nothing in it steers a terminal: lines are broken by reports alone, which use nothing else.
fn harmless(text: &str) {
    let bad = text.chars().find(|letter| letter.is_control() && !"\n\t".contains(*letter));
    let turned = text.chars().find(|letter| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    assert!(bad.is_none() && turned.is_none(), "{bad:?} {turned:?} in a text for people");
}

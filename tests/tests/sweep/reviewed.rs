//! The programs of `examples/` with planted defects, and their corrected twins.
//!
//! The head of the main file says how the program is built, and what a sweep must find in each build:
//!
//! ```text
//!   // sources: main.c session.c           from the program's directory
//!   // flags: -pthread -I../other          `-I` from the same
//!   // drive: drive.py                     it is a module of Python's, and this script uses it
//!   // build: -DOOM_FATAL                  for each build, followed by its defects
//!   // defect: OUTCOME in FUNCTION: what it is       the function is on the stack of a call that failed, or of the crash
//!   // defect forever: OUTCOME in FUNCTION: …      in this mode
//! ```

use std::path::{Path, PathBuf};

use memtrace_tests::{How, Place, pair, side_by_side, workspace};

use crate::target::Target;
use crate::truth::{ANY, agree, from_outside, is_bad, known, outcome};
use crate::witness::{Points, Seen};
use crate::{engine, witness};

/// A program and its twin.
const C: [&str; 2] = ["safe_malloc/main.c", "safe_malloc_fixed/main.c"];
/// The same.
const EXTENSION: [&str; 2] = ["python-ext/defective.c", "python-ext/corrected.c"];
/// The system's own: what stands first in PATH may be a script of a version manager.
const PYTHON: &str = "/usr/bin/python3";
/// As it is imported.
const MODULE: &str = "cborlike.so";

/// A directory of `examples/`.
#[derive(Debug)]
struct Reviewed {
    directory: PathBuf,
    sources: Vec<String>,
    flags: Vec<String>,
    drive: Option<String>,
    /// Each with its flag.
    builds: Vec<(String, Vec<Defect>)>,
}

/// What was planted.
#[derive(Debug)]
struct Defect {
    mode: String,
    outcome: String,
    function: String,
}

impl Reviewed {
    /// Reads the head of its main file.
    fn read(name: &str) -> Reviewed {
        let main = workspace().join("examples").join(name);
        let head = std::fs::read_to_string(&main).expect("it is there");
        let directory = main.parent().expect("it is in a directory").to_path_buf();
        let mut read = Reviewed { directory, sources: Vec::new(), flags: Vec::new(), drive: None, builds: Vec::new() };
        for line in head.lines().map_while(|line| line.strip_prefix("//")) {
            let Some((key, value)) = line.trim().split_once(": ") else { continue };
            let words = || value.split_whitespace().map(str::to_owned);
            match key {
                "sources" => read.sources.extend(words()),
                "flags" => read.flags.extend(words()),
                "drive" => read.drive = Some(value.to_owned()),
                "build" => read.builds.push((value.to_owned(), Vec::new())),
                _ if key.split(' ').next() == Some("defect") => {
                    let (_, defects) = read.builds.last_mut().expect("a defect follows its build");
                    defects.push(defect(key.trim_start_matches("defect").trim(), value));
                }
                _ => {}
            }
        }
        assert!(!read.sources.is_empty() && !read.builds.is_empty(), "{name} has sources and builds");
        read
    }

    /// Makes one of the builds. `None`: the headers of Python are missing.
    fn target<'p>(&self, place: &'p Place, build: &str) -> Option<Target<'p>> {
        let mut flags = vec!["-O0".to_owned(), "-fno-builtin".to_owned(), build.to_owned()];
        let from_directory = |flag: &String| match flag.strip_prefix("-I") {
            Some(directory) => format!("-I{}", self.path(directory)),
            None => flag.clone(),
        };
        flags.extend(self.flags.iter().map(from_directory));
        let (first, rest) = self.sources.split_first().expect("it has sources");
        flags.extend(rest.iter().map(|source| self.path(source)));
        let make = |name: &str, flags: &[String]| {
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            place.compile(Path::new(&self.path(first)), name, &flags)
        };
        let Some(drive) = &self.drive else { return Some(Target::new(place, make("program", &flags))) };
        flags.extend(["-shared".to_owned(), "-fPIC".to_owned()]);
        flags.extend(python_includes(place)?);
        // Alone: an import lists the directory, and each file in it is an allocation or more.
        let directory = place.join("module");
        std::fs::create_dir(&directory).expect("the place can be written to");
        make(&format!("module/{MODULE}"), &flags);
        let mut target = Target::new(place, PathBuf::from(PYTHON));
        target.arguments = ["-S", "-B", &self.path(drive)].map(PathBuf::from).to_vec();
        let path = directory.to_string_lossy().into_owned();
        let python = [("PYTHONPATH", path.as_str()), ("PYTHONMALLOC", "malloc"), ("PYTHONHASHSEED", "0")];
        // As long as its other values, and in every run: each variable is an allocation or more.
        let variables = [("DRIVE", "whole")].into_iter().chain(python);
        target.variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(target)
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_string_lossy().into_owned()
    }
}

/// Flags for the headers, if they are there.
fn python_includes(place: &Place) -> Option<Vec<String>> {
    let config = format!("{PYTHON}-config");
    if !Path::new(&config).exists() {
        return None;
    }
    let said = place.job(How::Native, config).arg("--includes").run().stdout;
    let flags: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
    let has_header =
        |flag: &String| flag.strip_prefix("-I").is_some_and(|path| Path::new(path).join("Python.h").exists());
    flags.iter().any(has_header).then_some(flags)
}

/// The allocations of the work alone, between the imports and the end.
fn work(target: &Target<'_>) -> Points {
    let seen_until = |word: &str| {
        let settings = [("DRIVE", word), ("MALLOC_FAIL_AFTER", "99999999")];
        let run = witness::run(target, &settings);
        let seen = run.ended.processes.iter().map(|process| process.summary("fault_seen")).max();
        u32::try_from(seen.expect("it was recorded")).expect("they are few")
    };
    // Without any more memory CPython itself leaves blocks behind at its end, in the twin too.
    Points { indices: seen_until("start")..seen_until("end_."), only_once: true, module: MODULE }
}

/// The value of a line `defect`.
fn defect(mode: &str, value: &str) -> Defect {
    let (what, _) = value.split_once(": ").expect("a defect says what it is");
    let (outcome, function) = what.split_once(" in ").expect("OUTCOME in FUNCTION");
    let outcome = known(outcome).expect("a defect has an outcome");
    Defect { mode: mode.to_owned(), outcome, function: function.to_owned() }
}

/// What a sweep found: mode, outcome, functions on its stacks.
type Finding = (String, String, Vec<String>);

/// Defects that were not found, and bad findings that are no defect. `seen_as` is the outcome as the finder names it.
fn judge(defects: &[Defect], findings: &[Finding], seen_as: impl Fn(&str) -> String) -> Vec<String> {
    let is_it = |defect: &Defect, (mode, name, functions): &Finding| {
        agree(&outcome(&defect.mode, &seen_as(&defect.outcome)), &outcome(mode, name))
            && functions.contains(&defect.function)
    };
    let missing = defects.iter().filter(|defect| !findings.iter().any(|finding| is_it(defect, finding)));
    let missing = missing.map(|defect| {
        let mode = if defect.mode == ANY { "any mode" } else { &defect.mode };
        format!("{} in {} ({mode}) is missing", defect.outcome, defect.function)
    });
    let extra = findings.iter().filter(|(_, name, _)| is_bad(name));
    let extra = extra.filter(|finding| !defects.iter().any(|defect| is_it(defect, finding)));
    let extra = extra.map(|(mode, name, functions)| format!("{name} ({mode}) is not expected: {functions:?}"));
    missing.chain(extra).collect()
}

/// Looks at every build of these directories of `examples/`, and fails with all that is wrong.
fn for_each_build(names: &[&str], look: impl Fn(&Target<'_>, &[Defect]) -> Vec<String> + Sync) {
    pair();
    let wrong = side_by_side(names, |name| {
        let program = Reviewed::read(name);
        let builds = program.builds.iter().flat_map(|(build, defects)| {
            let place = Place::new();
            let Some(target) = program.target(&place, build) else {
                println!("{name} is skipped: Python.h is missing (Debian: python3-dev)");
                return Vec::new();
            };
            let wrong = look(&target, defects).into_iter();
            wrong.map(|found| format!("{name} {build}: {found}\n")).collect()
        });
        builds.collect()
    });
    assert!(wrong.is_empty(), "\n{}", wrong.concat());
}

/// By the plain sweep.
fn by_index(target: &Target<'_>, points: &Points, defects: &[Defect]) -> Vec<String> {
    let finding = |seen: &Seen| (seen.mode.to_owned(), seen.outcome.clone(), seen.failed.clone());
    let findings: Vec<Finding> = witness::sweep(target, points, |_| true).iter().map(finding).collect();
    judge(defects, &findings, |outcome| from_outside(outcome).to_owned())
}

/// By `memtrace sweep`.
fn by_sweep(target: &Target<'_>, options: &[&str], defects: &[Defect]) -> Vec<String> {
    let swept = engine::sweep(target, options);
    let Some(result) = swept.result else { return vec![format!("no result: {}", swept.ended.stderr)] };
    let finding = |finding: engine::Finding| (finding.mode, finding.outcome, finding.functions);
    let findings: Vec<Finding> = result.findings.into_iter().map(finding).collect();
    judge(defects, &findings, str::to_owned)
}

#[test]
fn the_defects_of_the_c_program_are_there_and_not_in_its_twin() {
    for_each_build(&C, |target, defects| by_index(target, &Points::ALL, defects));
}

#[test]
#[ignore = "takes minutes: `cargo test -p memtrace-tests --test sweep the_defects_of_the_python -- --ignored`"]
fn the_defects_of_the_python_extension_are_there_and_not_in_its_twin() {
    for_each_build(&EXTENSION, |target, defects| by_index(target, &work(target), defects));
}

#[test]
fn the_sweep_finds_the_defects_of_the_c_program_and_none_in_its_twin() {
    for_each_build(&C, |target, defects| by_sweep(target, &[], defects));
}

// Once and alone: what CPython does without more memory is its own matter (see `work`).
#[test]
fn the_sweep_finds_the_defects_of_the_python_extension_and_none_in_its_twin() {
    for_each_build(&EXTENSION, |target, defects| {
        by_sweep(target, &["--module", "*cborlike.so", "--modes", "once", "--order", "1"], defects)
    });
}

#[test]
fn a_defect_is_known_by_outcome_function_and_mode() {
    let defects = [defect("", "leak in list: one"), defect("forever", "stack-overflow in fatal: two")];
    let finding = |mode: &str, name: &str, function: &str| {
        (mode.to_owned(), name.to_owned(), vec!["safe_malloc".to_owned(), function.to_owned()])
    };
    let judged = |findings: &[Finding]| judge(&defects, findings, str::to_owned);
    let (leak, overflow) = (finding("pair", "leak", "list"), finding("forever", "stack-overflow", "fatal"));
    assert_eq!(judged(&[leak.clone(), overflow, finding("once", "clean-error", "x")]), [""; 0]);
    let wrong = judged(&[leak, finding("once", "stack-overflow", "fatal")]);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert_eq!(wrong[0], "stack-overflow in fatal (forever) is missing");
}

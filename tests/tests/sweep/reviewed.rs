//! The programs of `examples/` with planted defects, and their corrected twins.
//!
//! The head of `main.c` says how the program is built, and what a sweep must find in each build:
//!
//! ```text
//!   // sources: main.c session.c           from the program's directory
//!   // flags: -pthread -I../other          `-I` from the same
//!   // build: -DOOM_FATAL                  for each build, followed by its defects
//!   // defect: OUTCOME in FUNCTION: what it is       the function is on the stack of a call that failed, or of the crash
//!   // defect forever: OUTCOME in FUNCTION: …      in this mode
//! ```

use std::path::{Path, PathBuf};

use memtrace_tests::{Place, workspace};

use crate::truth::{ANY, agree, is_bad, known, outcome};

/// A directory of `examples/`.
#[derive(Debug)]
pub struct Reviewed {
    directory: PathBuf,
    sources: Vec<String>,
    flags: Vec<String>,
    /// Each with its flag.
    pub builds: Vec<(String, Vec<Defect>)>,
}

/// What was planted.
#[derive(Debug)]
pub struct Defect {
    mode: String,
    outcome: String,
    function: String,
}

impl Reviewed {
    /// Reads the head of its main file.
    pub fn read(name: &str) -> Reviewed {
        let directory = workspace().join("examples").join(name);
        let head = std::fs::read_to_string(directory.join("main.c")).expect("it has a main file");
        let mut read = Reviewed { directory, sources: Vec::new(), flags: Vec::new(), builds: Vec::new() };
        for line in head.lines().map_while(|line| line.strip_prefix("//")) {
            let Some((key, value)) = line.trim().split_once(": ") else { continue };
            let words = || value.split_whitespace().map(str::to_owned);
            match key {
                "sources" => read.sources.extend(words()),
                "flags" => read.flags.extend(words()),
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

    /// Makes one of the builds.
    pub fn compile(&self, place: &Place, build: &str) -> PathBuf {
        let absolute = |name: &str| self.directory.join(name).to_string_lossy().into_owned();
        let (first, rest) = self.sources.split_first().expect("it has sources");
        let mut flags = vec!["-O0".to_owned(), "-fno-builtin".to_owned(), build.to_owned()];
        flags.extend(rest.iter().map(|source| absolute(source)));
        let from_directory = |flag: &String| match flag.strip_prefix("-I") {
            Some(directory) => format!("-I{}", absolute(directory)),
            None => flag.clone(),
        };
        flags.extend(self.flags.iter().map(from_directory));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        place.compile(Path::new(&absolute(first)), "program", &flags)
    }
}

/// The value of a line `defect`.
fn defect(mode: &str, value: &str) -> Defect {
    let (what, _) = value.split_once(": ").expect("a defect says what it is");
    let (outcome, function) = what.split_once(" in ").expect("OUTCOME in FUNCTION");
    let outcome = known(outcome).expect("a defect has an outcome");
    Defect { mode: mode.to_owned(), outcome, function: function.to_owned() }
}

/// What a sweep found: mode, outcome, functions on its stacks.
pub type Finding = (String, String, Vec<String>);

/// Defects that were not found, and bad findings that are no defect. `seen_as` is the outcome as the finder names it.
pub fn judge(defects: &[Defect], findings: &[Finding], seen_as: impl Fn(&str) -> String) -> Vec<String> {
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

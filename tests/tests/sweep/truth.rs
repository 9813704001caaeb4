//! The lines at the head of a program of `sweep/`: which outcomes its failures have, all of them and no others.
//!
//! ```text
//!   // flags: -pthread               for the compiler
//!   // env: MALLOC_FAIL_CHILDREN=same    for the program
//!   // input: four words             its stdin
//!   // expect: leak                  a failure in some mode has this outcome
//!   // expect forever: leak          one in this mode: `once`, `forever`, `pair`
//!   // expect site: FUNCTION         where it crashes
//!   // expect failed: FUNCTION       what called the allocation that failed, outside of functions named as allocators are
//!   // forms: leak                   three builds by `parts/form.h`: in each the outcome has another mode
//!   // outside: clean-error          what the bad outcomes are taken for by who sees status and output alone
//!   // status: 2                     the sweep ends with it and sweeps nothing
//!   // says: statically linked       and says so
//! ```
//!
//! A bad outcome that is found and not expected in its mode is wrong; one that is not bad may be found anywhere.

use std::collections::BTreeSet;
use std::path::Path;

/// Outcomes that are findings of the program's error paths.
pub const BAD: [&str; 10] = [
    "assertion",
    "hang-deadlocked",
    "hang-spinning",
    "heap-corruption",
    "leak",
    "null-dereference",
    "silent-wrong",
    "stack-overflow",
    "uncaught-exception",
    "wild-access",
];
/// All others.
pub const HARMLESS: [&str; 10] = [
    "clean-error",
    "designed-abort",
    "error-without-message",
    "fd-left",
    "file-left",
    "lock-left",
    "not-reached",
    "tolerated",
    "tolerated-with-message",
    "wrong-with-message",
];
/// How failures follow each other, in the order of `FORM`.
pub const MODES: [&str; 3] = ["once", "forever", "pair"];
/// In no mode of its own: any will do.
pub const ANY: &str = "";

/// Mode and outcome.
pub type Outcomes = BTreeSet<(String, String)>;

/// What the head says.
#[derive(Clone, Default, Debug)]
pub struct Truth {
    /// For the compiler.
    pub flags: Vec<String>,
    /// Name and value.
    pub variables: Vec<(String, String)>,
    /// For stdin.
    pub input: String,
    /// What is expected; the mode may be `ANY`.
    pub expects: Outcomes,
    /// Functions that crash.
    pub sites: Vec<String>,
    /// Functions whose allocation failed.
    pub failed: Vec<String>,
    /// The outcome of three builds.
    form: Option<String>,
    /// What is seen of a bad outcome from outside.
    pub outside: Option<String>,
    /// Nothing is swept.
    pub status: Option<i32>,
    /// A piece of what is said then.
    pub says: String,
}

impl Truth {
    /// Reads the head: comments up to the first line that is none. `Err` says what is wrong with it.
    pub fn read(path: &Path) -> Result<Truth, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Truth::parse(&text)
    }

    fn parse(text: &str) -> Result<Truth, String> {
        let mut truth = Truth::default();
        for line in text.lines().map_while(|line| line.strip_prefix("// ")) {
            let Some((key, value)) = line.split_once(": ") else { continue };
            match key {
                "flags" => truth.flags.extend(value.split_whitespace().map(str::to_owned)),
                "env" => {
                    let (name, value) = value.split_once('=').ok_or_else(|| format!("no `=`: {value}"))?;
                    truth.variables.push((name.to_owned(), value.to_owned()));
                }
                "input" => value.clone_into(&mut truth.input),
                "expect" => truth.expect(ANY, value)?,
                "expect once" | "expect forever" | "expect pair" => truth.expect(&key["expect ".len()..], value)?,
                "expect site" => truth.sites.push(value.to_owned()),
                "expect failed" => truth.failed.push(value.to_owned()),
                "forms" => truth.form = Some(known(value)?),
                "outside" => truth.outside = Some(known(value)?),
                "status" => truth.status = Some(value.parse().map_err(|_| format!("no status: {value}"))?),
                "says" => value.clone_into(&mut truth.says),
                // Prose begins with a capital or goes on within a sentence.
                _ if key.contains(' ') && !key.starts_with("expect") || key.starts_with(char::is_uppercase) => {}
                _ => return Err(format!("`{key}: {value}` is none of the lines of a head")),
            }
        }
        let kinds = [!truth.expects.is_empty(), truth.form.is_some(), truth.status.is_some()];
        match kinds.iter().filter(|kind| **kind).count() {
            1 => Ok(truth),
            _ => Err("it has one of `expect`, `forms` and `status`".to_owned()),
        }
    }

    fn expect(&mut self, mode: &str, outcome: &str) -> Result<(), String> {
        self.expects.insert((mode.to_owned(), known(outcome)?));
        Ok(())
    }

    /// The truth of each build, with the build's name.
    pub fn builds(&self) -> Vec<(&'static str, Truth)> {
        let Some(outcome) = &self.form else { return vec![("", self.clone())] };
        let build = |(mode, form): (&'static str, u32)| {
            let mut truth = self.clone();
            truth.flags.push(format!("-DFORM={form}"));
            truth.expects.insert((mode.to_owned(), outcome.clone()));
            // What one failure does, more do too.
            if mode == "once" {
                truth.expects.insert((ANY.to_owned(), outcome.clone()));
            }
            (mode, truth)
        };
        MODES.into_iter().zip(1..).map(build).collect()
    }

    /// The same as it is seen by status and output.
    pub fn seen_from_outside(&self) -> Truth {
        let mut truth = self.clone();
        let seen = |outcome: &str| match &self.outside {
            Some(outside) if BAD.contains(&outcome) || outcome == "not-reached" => outside.clone(),
            _ => from_outside(outcome).to_owned(),
        };
        truth.expects = self.expects.iter().map(|(mode, outcome)| (mode.clone(), seen(outcome))).collect();
        truth
    }

    /// What was expected and not found, and what is bad and was not expected. Found outcomes may be of mode `ANY`.
    pub fn judge(&self, found: &Outcomes) -> Vec<String> {
        let missing = self.expects.iter().filter(|expected| !found.iter().any(|found| agree(expected, found)));
        let missing = missing.map(|(mode, outcome)| format!("{} is missing", said(mode, outcome)));
        let extra = found.iter().filter(|(_, outcome)| is_bad(outcome));
        let extra = extra.filter(|found| !self.expects.iter().any(|expected| agree(expected, found)));
        missing.chain(extra.map(|(mode, outcome)| format!("{} is not expected", said(mode, outcome)))).collect()
    }
}

/// Whether two pairs of mode and outcome may be the same.
pub fn agree(one: &(String, String), other: &(String, String)) -> bool {
    one.1 == other.1 && (one.0 == other.0 || one.0 == ANY || other.0 == ANY)
}

/// By its name, or by the name that it has from outside.
pub fn is_bad(outcome: &str) -> bool {
    BAD.iter().any(|bad| *bad == outcome || from_outside(bad) == outcome)
}

/// What wait status and output tell of an outcome.
pub fn from_outside(outcome: &str) -> &str {
    match outcome {
        "null-dereference" | "wild-access" | "stack-overflow" => "crash",
        "fd-left" | "lock-left" => "clean-error",
        other => other,
    }
}

fn said(mode: &str, outcome: &str) -> String {
    if mode == ANY { outcome.to_owned() } else { format!("{outcome} ({mode})") }
}

/// A name of the two lists.
pub fn known(outcome: &str) -> Result<String, String> {
    let is_known = BAD.contains(&outcome) || HARMLESS.contains(&outcome);
    is_known.then(|| outcome.to_owned()).ok_or_else(|| format!("`{outcome}` is no outcome"))
}

/// A pair for `Outcomes`.
pub fn outcome(mode: &str, outcome: &str) -> (String, String) {
    (mode.to_owned(), outcome.to_owned())
}

#[test]
fn a_head_is_judged_by_mode_and_by_what_is_bad() {
    let truth = Truth::parse("// Prose: one.\n// expect once: leak\n// expect: clean-error\nint x;\n").expect("a head");
    let found = |pairs: &[(&str, &str)]| pairs.iter().map(|(mode, name)| outcome(mode, name)).collect::<Outcomes>();
    assert_eq!(truth.judge(&found(&[("once", "leak"), (ANY, "clean-error")])), [""; 0]);
    assert_eq!(truth.judge(&found(&[("pair", "clean-error"), ("once", "leak"), ("pair", "tolerated")])), [""; 0]);
    assert_eq!(truth.judge(&found(&[("once", "leak")])), ["clean-error is missing"]);
    let wrong = truth.judge(&found(&[("pair", "leak"), ("once", "clean-error")]));
    assert_eq!(wrong, ["leak (once) is missing", "leak (pair) is not expected"]);
}

#[test]
fn a_head_with_an_unknown_word_or_without_an_outcome_is_wrong() {
    for head in ["// Prose.\n", "// expect: leaks\n", "// expect twice: leak\n", "// expct: leak\n", "// status: x\n"] {
        assert!(Truth::parse(head).is_err(), "{head}");
    }
}

#[test]
fn three_builds_have_one_outcome_in_three_modes() {
    let truth = Truth::parse("// forms: assertion\n").expect("a head");
    let modes: Vec<_> = truth.builds().into_iter().map(|(mode, truth)| (mode, truth.expects)).collect();
    let only = |mode: &'static str| (mode, Outcomes::from([outcome(mode, "assertion")]));
    let once = Outcomes::from([outcome("once", "assertion"), outcome(ANY, "assertion")]);
    assert_eq!(modes, [("once", once), only("forever"), only("pair")]);
}

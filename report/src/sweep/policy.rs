//! What a project has decided of findings: those that are meant to be so, those that are known, those that nobody
//! wants to hear of; and the words by which its own programs end themselves.
//!
//! ```text
//!   file ──parse──▶ rules ──apply──▶ Finding::accepted, and notes: rules that have expired, rules that match nothing
//!              └──▶ signatures ──▶ the table of the judge
//! ```
//!
//! Invariant: the first rule that matches a finding is the one that accepts it.

mod day;
mod leak;
mod parse;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use memtrace_wire::settings::glob;

use super::check::stacks_of;
use super::model::{Accepted, Finding, Sweep};
use super::signatures::Signature;
use crate::error::{Error, cannot_open};
use crate::views::base_name;
pub use day::Day;
pub use leak::Leak;

/// Nobody writes more rules than that.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A policy.
pub struct Policy {
    /// The file's name.
    name: String,
    rules: Vec<Rule>,
    signatures: Vec<Signature>,
}

/// What a rule says of a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    /// It is meant to be so.
    Allow,
    /// It is a defect, and it is known.
    Known,
    /// Nobody wants to hear of it.
    Ignore,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Action::Allow => "allow",
            Action::Known => "known",
            Action::Ignore => "ignore",
        }
    }
}

/// A rule. What it asks for are globs, and all must match.
struct Rule {
    /// Its line in the file.
    line: usize,
    action: Action,
    /// The outcome's name.
    outcome: Option<String>,
    /// Where it crashed or hung; of a leak the functions that allocated: all of them.
    function: Option<String>,
    /// The function whose call failed.
    caller: Option<String>,
    /// A module on one of its stacks, with or without its directory.
    module: Option<String>,
    /// A line of what the program said, or all of it.
    message: Option<String>,
    /// The finding's id.
    id: Option<String>,
    /// Why.
    reason: String,
    /// The last day on which it holds.
    expires: Option<Day>,
}

impl Policy {
    /// Reads a policy.
    pub fn read(path: &Path) -> Result<Policy, Error> {
        let cannot_open = |cause| cannot_open(path, cause);
        let name = path.display().to_string();
        let what = || format!("policy `{name}`");
        let mut bytes = Vec::new();
        File::open(path).map_err(cannot_open)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot_open)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(Error::read(what(), format!("found more than {FILE_BYTES_MAX} bytes, expected no more")));
        }
        let text = String::from_utf8(bytes).map_err(|_| Error::read(what(), "it is no UTF-8, expected TOML"))?;
        parse::parse(&name, &text).map_err(|bad| Error::read(what(), format!("line {}: {}", bad.line, bad.what)))
    }

    /// Says of each finding whether it is accepted. What it returns are sentences for the report: rules that no longer
    /// apply, and rules that match nothing.
    pub fn apply(&self, sweep: &mut Sweep, today: Day) -> Vec<String> {
        let holds = |rule: &Rule| rule.expires.is_none_or(|last| today <= last);
        let mut is_used = vec![false; self.rules.len()];
        let mut accepted = Vec::new();
        for finding in &sweep.findings {
            let mut first = None;
            for (rule, is_used) in self.rules.iter().zip(&mut is_used) {
                if rule.matches(finding, sweep) {
                    *is_used = true;
                    first = first.or(holds(rule).then_some(rule));
                }
            }
            accepted.push(first.map(Rule::accepted));
        }
        for (finding, accepted) in sweep.findings.iter_mut().zip(accepted) {
            finding.accepted = accepted;
        }
        // What a part of the runs did not come to, the others may.
        let is_whole = sweep.partition.is_none() && !sweep.coverage.interrupted && sweep.coverage.not_run == 0;
        let mut notes = Vec::new();
        for (rule, is_used) in self.rules.iter().zip(is_used) {
            let name = format!("policy `{}`, line {}: the rule `{}`", self.name, rule.line, rule.in_words());
            match rule.expires.filter(|_| !holds(rule)) {
                Some(last) => notes.push(format!("{name} ended with {last} and no longer applies")),
                None if !is_used && is_whole => notes.push(format!("{name} matches no finding")),
                None => {}
            }
        }
        notes
    }

    /// The words by which programs end themselves, beside those that are built in.
    pub fn signatures(&self) -> Vec<Signature> {
        self.signatures.clone()
    }
}

impl Rule {
    /// What it asks for, by name.
    fn conditions(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("outcome", &self.outcome),
            ("function", &self.function),
            ("caller", &self.caller),
            ("module", &self.module),
            ("message", &self.message),
            ("id", &self.id),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }

    /// `known outcome=leak caller=read_*`.
    fn in_words(&self) -> String {
        let conditions = self.conditions().into_iter().map(|(name, value)| format!(" {name}={value}"));
        self.action.word().to_owned() + &conditions.collect::<String>()
    }

    fn accepted(&self) -> Accepted {
        Accepted {
            rule: self.action.word().into(),
            reason: self.reason.clone(),
            expires: self.expires.map(|day| day.to_string()),
        }
    }

    fn matches(&self, finding: &Finding, sweep: &Sweep) -> bool {
        self.conditions().into_iter().all(|(name, pattern)| match name {
            "outcome" => is_match(pattern, finding.outcome.name()),
            "function" => is_function(pattern, finding),
            "caller" => finding.failed.caller.as_deref().is_some_and(|caller| is_name(pattern, caller)),
            "module" => {
                modules(finding, sweep).any(|path| is_match(pattern, path) || is_match(pattern, base_name(path)))
            }
            "message" => {
                is_match(pattern, &finding.message) || finding.message.lines().any(|line| is_match(pattern, line))
            }
            _ => is_match(pattern, &finding.id),
        })
    }
}

fn is_match(pattern: &str, text: &str) -> bool {
    glob(pattern.as_bytes(), text.as_bytes())
}

/// `f` finds `f(int)` too: nobody types all parameters.
fn is_name(pattern: &str, function: &str) -> bool {
    is_match(pattern, function) || is_match(pattern, function.split('(').next().unwrap_or(function))
}

fn is_function(pattern: &str, finding: &Finding) -> bool {
    match finding.crash.as_ref().and_then(|crash| crash.function.as_deref()) {
        Some(function) => is_name(pattern, function),
        // One leak that is known does not make another known.
        None => {
            let mut leaks = finding.leaks.iter();
            let is_lost_there =
                |caller: &Option<String>| caller.as_deref().is_some_and(|caller| is_name(pattern, caller));
            !finding.leaks.is_empty() && leaks.all(|leak| is_lost_there(&leak.caller))
        }
    }
}

fn modules<'s>(finding: &Finding, sweep: &'s Sweep) -> impl Iterator<Item = &'s str> {
    let stacks = stacks_of(finding).filter_map(|stack| sweep.stacks.get(stack as usize)).flatten();
    stacks.filter_map(|&frame| sweep.frames.get(frame as usize)?.module.as_deref())
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Outcome;
    use super::super::sample::sweep;
    use super::*;

    /// The rules, each with a line of its own; `;` for the ends of lines.
    fn policy(rules: &[&str]) -> Policy {
        let rule = |rule: &&str| format!("[[rule]]\nreason = \"so\"\n{}\n", rule.replace(';', "\n"));
        let text: String = rules.iter().map(rule).collect();
        parse::parse("p.toml", &text).unwrap_or_else(|bad| panic!("{bad:?} in {text}"))
    }

    fn today() -> Day {
        Day::parse("2026-06-15").unwrap()
    }

    /// By finding, the word of the rule that accepts it.
    fn accepted(rules: &[&str]) -> Vec<Option<String>> {
        let mut sweep = sweep();
        policy(rules).apply(&mut sweep, today());
        sweep.findings.iter().map(|finding| finding.accepted.as_ref().map(|accepted| accepted.rule.clone())).collect()
    }

    #[test]
    fn the_example_for_cpython_accepts_what_the_interpreter_loses_and_not_what_an_extension_does() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/cpython.policy.toml");
        let policy = Policy::read(&path).unwrap();
        let accepts = |allocated: &str, message: &str| {
            let mut sweep = sweep();
            let leak = sweep.findings.iter_mut().find(|finding| finding.outcome == Outcome::Leak).unwrap();
            message.clone_into(&mut leak.message);
            leak.leaks.iter_mut().for_each(|leak| leak.caller = Some(allocated.to_owned()));
            policy.apply(&mut sweep, today());
            sweep.findings.iter().any(|finding| finding.accepted.is_some())
        };
        assert!(accepts("python3.11+0x5064f3", "MemoryError\nMemoryError: "));
        assert!(accepts("_Py_SetLocaleFromEnv", "Fatal Python error: _PyArgv_AsWstrList: memory allocation failed"));
        assert!(!accepts("decode_list", "MemoryError"));
        assert!(!accepts("python3.11+0x5064f3", "Traceback (most recent call last):"));
    }

    #[test]
    fn each_condition_matches_what_it_is_for_and_nothing_else() {
        for (condition, expected) in [
            ("outcome = 'leak'", [false, false, true]),
            ("outcome = '*'", [true; 3]),
            ("outcome = 'hang-*'", [false, true, false]),
            ("function = 'parse'", [true, false, false]),
            ("function = 'read_*'", [false, false, true]),
            ("caller = 'read_???'", [true, false, false]),
            ("caller = 'c*'", [false, true, true]),
            ("module = 'libc.so.*'", [true; 3]),
            ("module = '/opt/a*'", [true; 3]),
            ("module = 'libx.so'", [false; 3]),
            ("message = 'app: reading*'", [true, false, false]),
            ("message = 'app: reading'", [false; 3]),
            ("id = '0000000000f2'", [false, false, true]),
            ("outcome = 'leak'; caller = 'parse'", [false; 3]),
        ] {
            let found = accepted(&[&format!("action = 'known'; {condition}")]);
            assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), expected, "{condition}");
        }
    }

    #[test]
    fn a_leak_is_known_only_where_all_of_it_is() {
        let mut sweep = sweep();
        let mut other = sweep.findings[2].leaks[0].clone();
        other.caller = Some("other".into());
        sweep.findings[2].leaks.push(other);
        policy(&["action = 'known'; function = 'read_all'"]).apply(&mut sweep, today());
        assert_eq!(sweep.findings[2].accepted, None);
    }

    #[test]
    fn the_first_rule_that_matches_and_holds_accepts() {
        let rules = [
            "action = 'ignore'; outcome = 'leak'; expires = '2026-06-14'",
            "action = 'allow'; outcome = 'leak'; expires = '2026-06-15'",
            "action = 'known'; outcome = '*'",
        ];
        let word = |text: &str| Some(text.to_owned());
        assert_eq!(accepted(&rules), [word("known"), word("known"), word("allow")]);
        // What an earlier policy accepted, this one does not have to.
        assert_eq!(accepted(&[]), [None, None, None]);
    }

    #[test]
    fn rules_that_ended_and_rules_that_match_nothing_are_named() {
        let rules = policy(&[
            "action = 'ignore'; outcome = 'leak'; expires = '2026-06-14'",
            "action = 'known'; outcome = 'leak'; caller = 'nobody'",
            "action = 'known'; outcome = 'leak'",
        ]);
        let mut sweep = sweep();
        let ended =
            "policy `p.toml`, line 1: the rule `ignore outcome=leak` ended with 2026-06-14 and no longer applies";
        // A part of a sweep says nothing of rules that match nothing.
        assert_eq!(rules.apply(&mut sweep, today()), [ended]);
        sweep.partition = None;
        sweep.coverage.interrupted = false;
        sweep.coverage.not_run = 0;
        let stale = "policy `p.toml`, line 6: the rule `known outcome=leak caller=nobody` matches no finding";
        assert_eq!(rules.apply(&mut sweep, today()), [ended, stale]);
    }

    #[test]
    fn a_file_is_read_and_its_faults_are_said_with_name_and_line() {
        let path = std::env::temp_dir().join(format!("memtrace-policy-{}.toml", std::process::id()));
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let policy = Policy::read(&path);
            std::fs::remove_file(&path).unwrap();
            policy.map_err(|error| error.to_string().replace(&path.display().to_string(), "p.toml"))
        };
        let signature = b"[[signature]]\noutcome = 'designed-abort'\nstatus = 3\n";
        assert_eq!(read(signature).map(|policy| policy.signatures().len()), Ok(1));
        let message = read(b"\n[[rule]]\naction = 'x'\nreason = 'y'\n").err().unwrap();
        assert_eq!(message, "cannot read policy `p.toml`: line 3: found `x`, expected `allow`, `known` or `ignore`");
        assert!(read(b"\xff").err().unwrap().ends_with("it is no UTF-8, expected TOML"));
        assert!(read(&vec![b'#'; 5 << 20]).err().unwrap().contains("found more than 4194304 bytes"));
    }
}

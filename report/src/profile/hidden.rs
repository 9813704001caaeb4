//! What suppressions hide: by the rules of files, and by those of the programs themselves.
//!
//! ```text
//!   files ───────────────────────────────▶ Suppress ─┐
//!   __lsan_default_suppressions() of each ▶ Suppress ─┴▶ Book: numbers in `suppressions`, what each rule hid
//!                                                         └▶ Hiding: the rules of one process, its stacks by name
//! ```
//!
//! Invariant: rules of files come first, so a leak that two rules match is hidden by the one that the user gave.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;

use super::leaks::{Kind, Suppression};
use super::model::{Process, Warning};
use super::process::text;
use crate::error::Error;
use crate::names::path_of;
use crate::recording::{self, Recording};
use crate::suppress::{self, Bad, Frame, Matcher, Rules};
use crate::views::base_name;

/// The function that programs give their own rules by.
const OWN: &str = "__lsan_default_suppressions";

/// Leaks that are none, by rules. It remembers what it was asked.
pub struct Suppress {
    /// What each rule is called.
    names: Vec<String>,
    matcher: RefCell<Matcher>,
}

impl Suppress {
    /// By these rules; `None`: there are none.
    pub fn new(rules: &Rules) -> Option<Suppress> {
        let names: Vec<String> =
            rules.names().map(|rule| format!("{} ({}:{})", rule.name, rule.source, rule.line)).collect();
        (!names.is_empty()).then(|| Suppress { names, matcher: RefCell::new(rules.matcher()) })
    }

    /// By the rules of `rules_of`.
    pub fn of_option(paths: &[PathBuf]) -> Result<Option<Rc<Suppress>>, Error> {
        Suppress::rules_of(paths).map(|rules| Suppress::new(&rules).map(Rc::new))
    }

    /// The rules of the files that an option names, and of those of this command's own MEMTRACE_SUPPRESSIONS.
    pub fn rules_of(paths: &[PathBuf]) -> Result<Rules, Error> {
        let named = std::env::var_os("MEMTRACE_SUPPRESSIONS").unwrap_or_default();
        Rules::read(&[paths, &Suppress::files(named.as_bytes())].concat())
    }

    /// By those of the files that can be used, and what is wrong with each other one.
    pub fn of_usable_files(paths: &[PathBuf]) -> (Option<Rc<Suppress>>, Vec<Error>) {
        let mut rules = Rules::default();
        let errors = paths.iter().filter_map(|path| rules.add_file(path).err()).collect();
        (Suppress::new(&rules).map(Rc::new), errors)
    }

    /// The files that a MEMTRACE_SUPPRESSIONS names.
    pub fn files(setting: &[u8]) -> Vec<PathBuf> {
        setting.split(|&byte| byte == b':').filter(|path| !path.is_empty()).map(path_of).collect()
    }

    /// What its rules are called, by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of the first rule that matches.
    pub fn first_match(&self, kind: Kind, op: &str, frames: &[Frame]) -> Option<usize> {
        self.matcher.borrow_mut().first_match(rule_kind(kind)?, op, frames)
    }
}

/// The kind that rules know; `None`: nothing is left to be hidden.
pub fn rule_kind(kind: Kind) -> Option<suppress::Kind> {
    Some(match kind {
        Kind::Definite => suppress::Kind::Definite,
        Kind::Indirect => suppress::Kind::Indirect,
        Kind::Possible => suppress::Kind::Possible,
        Kind::Reachable => suppress::Kind::Reachable,
        Kind::Suppressed => return None,
    })
}

/// A program's own rules, by their place: `None`, it has none. `Err`: they cannot be used.
type Own = Result<Option<usize>, Warning>;

/// The rules of all processes of a profile.
pub struct Book<'s> {
    given: Option<&'s Suppress>,
    /// Rules of programs, each text of each program once, with the number of the first.
    own: Vec<(Suppress, usize)>,
    /// By process, which of `own` are its.
    of_process: Vec<Option<usize>>,
    /// By process, what is wrong with its own.
    warnings: Vec<Option<Warning>>,
    /// All rules by number, and what each hid.
    hidden: Vec<Suppression>,
}

impl<'s> Book<'s> {
    /// Those that were given, and those of each process's own.
    pub fn of(recording: &Recording, given: Option<&'s Suppress>) -> Book<'s> {
        let mut book =
            Book { given, own: Vec::new(), of_process: Vec::new(), warnings: Vec::new(), hidden: Vec::new() };
        book.list(given.map_or(&[], |given| &given.names));
        let mut known: HashMap<(&str, &[u8]), Own> = HashMap::new();
        let programs: Vec<String> = recording.processes.iter().map(program).collect();
        for (process, program) in recording.processes.iter().zip(&programs) {
            let rules = process.text(&process.header.suppressions).unwrap_or_default();
            let own = known.entry((program, rules)).or_insert_with(|| {
                let mut read = Rules::default();
                read.add_text(&format!("{OWN} of {program}"), rules).map_err(warning)?;
                Ok(Suppress::new(&read).map(|own| book.add_own(own)))
            });
            book.of_process.push(own.as_ref().ok().copied().flatten());
            book.warnings.push(own.as_ref().err().cloned());
        }
        book
    }

    fn list(&mut self, names: &[String]) {
        self.hidden.extend(names.iter().map(|name| Suppression { name: name.clone(), blocks: 0, bytes: 0 }));
    }

    fn add_own(&mut self, own: Suppress) -> usize {
        let first = self.hidden.len();
        self.list(&own.names);
        self.own.push((own, first));
        self.own.len() - 1
    }

    /// Whether there is any rule.
    pub fn has_any_rule(&self) -> bool {
        !self.hidden.is_empty()
    }

    /// Whether any rule is for the process with this place.
    pub fn has_rules(&self, place: usize) -> bool {
        self.given.is_some() || self.own_of(place).is_some()
    }

    /// What is wrong with the process's own rules: then none of them counts.
    pub fn warning(&self, place: usize) -> Option<&Warning> {
        self.warnings.get(place)?.as_ref()
    }

    /// The rules for a process, whose stacks have names; `None`: there are none.
    pub fn hiding<'b>(&'b mut self, place: usize, process: &'b Process) -> Option<Hiding<'b, 's>> {
        self.has_rules(place).then_some(Hiding { book: self, place, process })
    }

    /// All rules, and what they hid.
    pub fn into_suppressions(self) -> Vec<Suppression> {
        self.hidden
    }

    fn own_of(&self, place: usize) -> Option<&(Suppress, usize)> {
        self.own.get((*self.of_process.get(place)?)?)
    }
}

/// Whether a process has rules of its own that cannot be used.
pub fn is_own_bad(process: &recording::Process) -> bool {
    let rules = process.text(&process.header.suppressions).unwrap_or_default();
    Rules::default().add_text(OWN, rules).is_err()
}

fn program(process: &recording::Process) -> String {
    base_name(&text(process.text(&process.header.exe).unwrap_or_default())).to_owned()
}

fn warning(bad: Bad) -> Warning {
    Warning {
        setting: format!("{OWN}, line {}", bad.line),
        found: bad.found.trim_matches('`').to_owned(),
        expected: bad.expected.to_owned(),
    }
}

/// The rules for one process.
pub struct Hiding<'b, 's> {
    book: &'b mut Book<'s>,
    place: usize,
    process: &'b Process,
}

impl Hiding<'_, '_> {
    /// The number of the first rule that matches a leak of this kind, function and stack.
    pub fn rule(&self, kind: Kind, op: &str, stack: u32) -> Option<u32> {
        let frames = self.process.called(stack);
        let given = || self.book.given?.first_match(kind, op, &frames);
        let own = || {
            let (own, first) = self.book.own_of(self.place)?;
            Some(first + own.first_match(kind, op, &frames)?)
        };
        u32::try_from(given().or_else(own)?).ok()
    }

    /// Counts blocks that a rule matched.
    pub fn count(&mut self, rule: u32, blocks: u64, bytes: u64) {
        if let Some(hidden) = self.book.hidden.get_mut(rule as usize) {
            hidden.add(blocks, bytes);
        }
    }
}

impl Suppression {
    /// Adds, up to the largest number.
    pub fn add(&mut self, blocks: u64, bytes: u64) {
        (self.blocks, self.bytes) = (self.blocks.saturating_add(blocks), self.bytes.saturating_add(bytes));
    }
}

impl Process {
    /// The frames of a stack, innermost first, as rules look at them.
    pub fn called(&self, stack: u32) -> Vec<Frame<'_>> {
        let places = self.stacks.get(stack as usize).into_iter().flatten();
        let is_call = |frame: &&super::Frame| !matches!(frame.kind.as_str(), "cut" | "tag");
        let frames = places.filter_map(|&place| self.frames.get(place as usize)).filter(is_call);
        let called = |frame| {
            let super::Frame { kind, function, linkage, module, file, line, inlined, .. }: &super::Frame = frame;
            let module = module.and_then(|module| self.modules.get(module as usize));
            Frame {
                function: function.as_deref(),
                linkage: linkage.as_deref(),
                module: module.map_or("", |module| &module.path),
                file: file.as_deref(),
                line: *line,
                inlined: *inlined,
                python: kind == "python",
            }
        };
        frames.map(called).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Profile};
    use super::*;
    use crate::profile::sample;
    use crate::recording::builder::{Found, Target, file_of, recording};

    /// A process that lost one block from each of two modules, with rules of its own.
    fn target(pid: u32, exe: &str, own: &str) -> Target {
        let mut target = Target::new(pid, exe);
        target.module("/no/one", 0x10000, &[]);
        target.module("/no/two", 0x20000, &[]);
        for frame in [0x10011, 0x20022] {
            let leaf = target.stack(&[frame]);
            target.site(leaf, 16, 1, 1);
        }
        target.check(&Found { lost: vec![(0x100, 2, &[][..]), (0x200, 3, &[])], ..Found::default() });
        target.header.suppressions = target.text(own.as_bytes());
        target
    }

    fn profile(targets: &[Target], files: &str) -> Profile {
        let rules = Rules::from_text("x", files.as_bytes()).unwrap();
        let recording = Recording::from_file(file_of(&recording(targets)), "x").unwrap();
        let suppress = Suppress::new(&rules).map(Rc::new);
        // With names for nothing but what suppressions ask for.
        Profile::build(&recording, &Options { suppress, largest: Some(0), ..Options::default() }).unwrap()
    }

    fn used(profile: &Profile) -> Vec<(&str, u64)> {
        profile.suppressions.iter().map(|one| (one.name.as_str(), one.blocks)).collect()
    }

    fn suppressed(profile: &Profile) -> Vec<u64> {
        profile.processes.iter().map(|process| process.checks[0].summary.suppressed.blocks).collect()
    }

    #[test]
    fn a_programs_own_rules_hold_for_its_processes_alone() {
        let targets =
            || [target(1, "/bin/a", "leak:/no/one\n"), target(2, "/bin/b", ""), target(3, "/bin/a", "leak:/no/one\n")];
        let found = profile(&targets(), "");
        assert_eq!(suppressed(&found), [1, 0, 1]);
        // Two processes of one program have the same rules.
        assert_eq!(used(&found), [("leak:/no/one (__lsan_default_suppressions of a:1)", 2)]);
        assert_eq!(found.processes[2].checks[0].leaks[1].suppression, Some(0));
        // What the user gave comes first.
        let found = profile(&targets(), "leak:none\nleak:/no/\n");
        assert_eq!(suppressed(&found), [2, 2, 2]);
        let blocks: Vec<u64> = used(&found).into_iter().map(|used| used.1).collect();
        assert_eq!(blocks, [0, 6, 0]);
        let found = profile(&targets(), "leak:two\n");
        assert_eq!((suppressed(&found), used(&found)[1].1), (vec![2, 1, 2], 2));
    }

    #[test]
    fn a_bad_line_of_a_programs_own_is_a_warning_and_none_of_its_rules_hold() {
        let found = profile(&[target(1, "/bin/a", "leak:/no/one\nleak:"), target(2, "/bin/b", "leak:two")], "");
        assert_eq!(suppressed(&found), [0, 1]);
        let warning = Warning {
            setting: "__lsan_default_suppressions, line 2".into(),
            found: "leak:".into(),
            expected: "a pattern after `leak:`".into(),
        };
        assert_eq!(found.processes[0].warnings, [warning]);
        assert!(found.processes[1].warnings.is_empty());
    }

    #[test]
    fn rules_for_symbols_match_where_they_are_known() {
        let mut process = sample::process(|maker| {
            maker.stack(&["ns::fill(int*)", "main"]);
        });
        let matches = |process: &Process, symbol: &str| {
            let text = format!("{{\nx\nMemcheck:Leak\nfun:malloc\nfun:{symbol}\nfun:main\n}}");
            let suppress = Suppress::new(&Rules::from_text("x", text.as_bytes()).unwrap()).unwrap();
            suppress.first_match(Kind::Definite, "malloc", &process.called(0)).is_some()
        };
        assert!(matches(&process, "_ZN2ns4fillEPi") && !matches(&process, "_ZN2ns4fillEPl"));
        assert!(!matches(&process, "_ZN*fillEPi"));
        process.frames[0].linkage = Some("_ZN2ns4fillEPi".into());
        assert!(matches(&process, "_ZN*fillEPi") && !matches(&process, "_ZN*fillEPl"));
    }
}

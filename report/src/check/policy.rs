//! What a project wants of a check: which leaks break it, how much is allowed, whose code counts.
//!
//! ```text
//!   memtrace.toml ──parse──▶ [check], [[rule]] ─┐
//!   flags ──────────────────────────────────────┴─▶ Policy
//! ```
//!
//! Invariant: what a flag says holds, whatever the file says.

mod parse;

use std::path::{Path, PathBuf};

use memtrace_wire::leaks::Kinds;
use memtrace_wire::settings::glob;

use crate::error::{Error, FOUND};
use crate::sweep::policy as rules;
use crate::views::base_name;

/// The file that is read where no other is named.
pub const FILE: &str = "memtrace.toml";

/// How much is allowed; what is not said is not limited, but for leaks, of which none is allowed then.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Leaked bytes, indirectly lost ones included.
    pub bytes: Option<u64>,
    /// Leaked blocks.
    pub blocks: Option<u64>,
    /// The highest live bytes.
    pub peak: Option<u64>,
    /// Allocation calls.
    pub allocations: Option<u64>,
}

impl Budget {
    /// Whether it says anything about leaks.
    pub fn is_of_leaks(&self) -> bool {
        self.bytes.is_some() || self.blocks.is_some()
    }

    /// What is said here, else there.
    fn or(self, other: Budget) -> Budget {
        Budget {
            bytes: self.bytes.or(other.bytes),
            blocks: self.blocks.or(other.blocks),
            peak: self.peak.or(other.peak),
            allocations: self.allocations.or(other.allocations),
        }
    }
}

/// Whose code, and whose processes.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Scope {
    /// Only leaks with code of one of these modules on their stack: paths or names.
    pub modules: Vec<String>,
    /// Only leaks with code of one of these source files on their stack: paths or names.
    pub paths: Vec<String>,
    /// Only processes of these programs: paths or names.
    pub exes: Vec<String>,
}

impl Scope {
    /// Whether every stack is meant.
    pub fn is_whole(&self) -> bool {
        self.modules.is_empty() && self.paths.is_empty()
    }

    /// Whether a frame in this module and file makes a stack count.
    pub fn has_frame(&self, module: Option<&str>, file: Option<&str>) -> bool {
        let is_any = |patterns: &[String], path: Option<&str>| path.is_some_and(|path| is_path(patterns, path));
        is_any(&self.modules, module) || is_any(&self.paths, file)
    }

    /// Whether a program is meant.
    pub fn has_program(&self, exe: &str) -> bool {
        self.exes.is_empty() || is_path(&self.exes, exe)
    }
}

fn is_path(patterns: &[String], path: &str) -> bool {
    let matches = |pattern: &String, text: &str| glob(pattern.as_bytes(), text.as_bytes());
    patterns.iter().any(|pattern| {
        let below = || !pattern.starts_with(['/', '*']) && pattern.contains('/');
        matches(pattern, path) || matches(pattern, base_name(path)) || below() && matches(&format!("*/{pattern}"), path)
    })
}

/// The whole policy.
pub struct Policy {
    /// The file that it is from.
    pub file: Option<PathBuf>,
    /// Kinds that break it.
    pub kinds: Kinds,
    /// Whose code and processes.
    pub scope: Scope,
    /// Leaks without the project's code on their stack count, too.
    pub any_code: bool,
    /// Over all processes that count.
    pub total: Budget,
    /// Of one place.
    pub site: Budget,
    /// By how many bytes one place may grow from checkpoint to checkpoint.
    pub growth: Option<u64>,
    /// Heap errors break it.
    pub heap_errors_fail: bool,
    /// Known leaks that have grown break it.
    pub grown_fails: bool,
    /// Whatever was not seen or not classified is no data.
    pub is_strict: bool,
    /// Status of a broken policy.
    pub exit_code: u8,
    /// The accepted leaks.
    pub baseline: Option<PathBuf>,
    /// Files of leaks that are none.
    pub suppressions: Vec<PathBuf>,
    /// `[[rule]]`.
    pub rules: Option<rules::Policy>,
}

/// What a file says, or what flags say.
#[derive(Default)]
pub struct Said {
    /// Kinds that break it.
    pub kinds: Option<Kinds>,
    /// Whose code and processes.
    pub scope: Scope,
    /// Leaks without the project's code on their stack count, too.
    pub any_code: bool,
    /// Over all processes.
    pub total: Budget,
    /// Of one place.
    pub site: Budget,
    /// From checkpoint to checkpoint.
    pub growth: Option<u64>,
    /// Heap errors do not break it.
    pub heap_errors_told: bool,
    /// Known leaks that have grown break it.
    pub grown_fails: bool,
    /// Whatever was not seen is no data.
    pub is_strict: bool,
    /// Status of a broken policy.
    pub exit_code: Option<u8>,
    /// The accepted leaks.
    pub baseline: Option<PathBuf>,
    /// Files of leaks that are none.
    pub suppressions: Vec<PathBuf>,
}

impl Policy {
    /// The policy of a file and flags, which beat it. Without `--policy` the file in the working directory is read, if there is one.
    pub fn of(file: Option<PathBuf>, flags: Said) -> Result<Policy, Error> {
        let default = Path::new(FILE);
        let file = file.or_else(|| default.is_file().then(|| default.to_path_buf()));
        let (said, rules) = match &file {
            Some(path) => (parse::read(path)?, Some(rules::Policy::read(path)?)),
            None => (Said::default(), None),
        };
        let list = |flag: Vec<String>, said: Vec<String>| if flag.is_empty() { said } else { flag };
        Ok(Policy {
            file,
            kinds: flags.kinds.or(said.kinds).unwrap_or(Kinds::DEFAULT),
            scope: Scope {
                modules: list(flags.scope.modules, said.scope.modules),
                paths: list(flags.scope.paths, said.scope.paths),
                exes: list(flags.scope.exes, said.scope.exes),
            },
            any_code: flags.any_code || said.any_code,
            total: flags.total.or(said.total),
            site: flags.site.or(said.site),
            growth: flags.growth.or(said.growth),
            heap_errors_fail: !flags.heap_errors_told && !said.heap_errors_told,
            grown_fails: flags.grown_fails || said.grown_fails,
            is_strict: flags.is_strict || said.is_strict,
            exit_code: flags.exit_code.or(said.exit_code).unwrap_or(FOUND),
            baseline: flags.baseline.or(said.baseline),
            suppressions: said.suppressions.into_iter().chain(flags.suppressions).collect(),
            rules,
        })
    }

    /// Whether names are wanted for more than what is lost or held at the end.
    pub fn needs_all_names(&self) -> bool {
        self.site.peak.is_some() || self.site.allocations.is_some() || self.growth.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_named_whole_by_its_name_or_by_its_end() {
        let scope = |pattern: &str| Scope { paths: vec![pattern.into()], ..Scope::default() };
        let has = |pattern: &str, file: &str| scope(pattern).has_frame(None, Some(file));
        assert!(has("parse.c", "/ci/app/src/parse.c") && has("*.c", "/ci/app/src/parse.c"));
        assert!(has("src/*", "/ci/app/src/parse.c") && has("/ci/*", "/ci/app/src/parse.c"));
        assert!(has("src/*", "src/parse.c"));
        assert!(!has("lib/*", "/ci/app/src/parse.c") && !has("rc/*", "/ci/app/src/parse.c"));
        assert!(!scope("*").has_frame(None, None) && Scope::default().is_whole());
        assert!(Scope::default().has_program("/bin/x"));
        let exes = Scope { exes: vec!["test_*".into()], ..Scope::default() };
        assert!(exes.has_program("/b/test_a") && !exes.has_program("/b/make"));
    }

    #[test]
    fn a_flag_beats_the_file() {
        let path = std::env::temp_dir().join(format!("memtrace-check-policy-{}.toml", std::process::id()));
        let text = "[check]\nkinds = ['definite']\nmodule = 'a'\nexe = ['b']\nexit-code = 7\ntotal.bytes = '1KiB'\n\
                    total.blocks = 3\n[[rule]]\naction = 'known'\nid = '*'\nreason = 'so'\n";
        std::fs::write(&path, text).unwrap();
        let said = Policy::of(Some(path.clone()), Said::default()).unwrap();
        assert_eq!((said.exit_code, said.kinds), (7, Kinds::parse(b"definite").unwrap()));
        assert_eq!((said.scope.modules.as_slice(), said.scope.exes.as_slice()), (&["a".into()][..], &["b".into()][..]));
        assert!(said.rules.is_some());
        let scope = Scope { modules: vec!["c".into()], ..Scope::default() };
        let total = Budget { bytes: Some(5), ..Budget::default() };
        let flagged =
            Policy::of(Some(path.clone()), Said { scope, total, exit_code: Some(9), ..Said::default() }).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((flagged.exit_code, flagged.scope.modules[0].as_str()), (9, "c"));
        assert_eq!((flagged.total.bytes, flagged.total.blocks), (Some(5), Some(3)));
    }
}

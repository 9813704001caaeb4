//! The leaks of a profile as suppressions: `memtrace report --suppress`.
//!
//! They are made when they are asked for and do not stand in the JSON: a rule of valgrind's repeats a whole stack, so
//! they would double a profile of many leaks and say nothing that is not in it.
//!
//! Invariant: read again, the rules hide every leak that they were made from. Where one hides other leaks too, as the
//! syntax of LeakSanitizer cannot tell two callers of one function apart, a comment above it says so.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Write};

use memtrace_wire::leaks::Kinds;

use crate::profile::leaks::{Check, Kind};
use crate::profile::{Process, Profile, rule_kind};
use crate::suppress::{Rules, paste_ready_leak_sanitizer, paste_ready_valgrind};
use crate::text;
use crate::views::leaks::{LeakRow, kinds, last_word, rows};
use crate::views::{Choice, words};

words! {
    /// Whose syntax.
    pub enum Syntax {
        /// LeakSanitizer's: one line for one function.
        Lsan = "lsan",
        /// Valgrind's: one block for one stack and kind.
        Valgrind = "valgrind",
    }
}

/// A leak, and the rule for it.
struct Finding<'p> {
    process: &'p Process,
    row: LeakRow,
    op: &'p str,
    /// `None`: no frame has a name.
    rule: Option<String>,
}

/// Writes a rule for each leak that a report of the same choice shows, each rule once, in the order of the report.
pub fn write(
    profile: &Profile,
    syntax: Syntax,
    show: Option<Kinds>,
    choice: &Choice,
    to: &mut dyn Write,
) -> io::Result<()> {
    writeln!(to, "# Leaks that memtrace found, as suppressions for it and for {}.", syntax.word())?;
    let shown = findings(profile, syntax, |process| kinds(process, show), choice);
    let all = findings(profile, syntax, |_| Kinds::DEFAULT, &Choice::default());
    let others = others(&shown, &all);
    let mut written: HashSet<&str> = HashSet::new();
    for finding in &shown {
        let Some(rule) = &finding.rule else {
            writeln!(to, "# No name is known in the stack of: {}", text::head(&finding.row))?;
            continue;
        };
        if written.insert(rule) {
            match others.get(written.len() - 1).copied().unwrap_or(0) {
                0 => {}
                1 => writeln!(to, "# This hides 1 more leak.")?,
                count => writeln!(to, "# This hides {count} more leaks.")?,
            }
            writeln!(to, "{}", rule.trim_end())?;
        }
    }
    Ok(())
}

/// The leaks that are chosen, with their rules.
fn findings<'p>(
    profile: &'p Profile,
    syntax: Syntax,
    shown: impl Fn(&Process) -> Kinds,
    choice: &Choice,
) -> Vec<Finding<'p>> {
    let mut findings = Vec::new();
    for process in &profile.processes {
        let Some(check) = last_word(process) else { continue };
        let ops = ops(check);
        for row in rows(process, check, shown(process), choice).rows {
            for &op in ops.get(&(row.kind, row.stack)).into_iter().flatten() {
                let rule = rule(process, &row, op, syntax);
                findings.push(Finding { process, row: row.clone(), op, rule });
            }
        }
    }
    findings
}

/// The functions that the blocks of each kind and stack came from: nearly always one.
fn ops(check: &Check) -> HashMap<(Kind, u32), BTreeSet<&str>> {
    let mut ops: HashMap<(Kind, u32), BTreeSet<&str>> = HashMap::new();
    let lost = check.leaks.iter().map(|leak| (leak.kind, leak.stack, leak.op.as_str()));
    let held = check.held.iter().map(|held| (Kind::Reachable, held.stack, held.op.as_str()));
    for (kind, stack, op) in lost.chain(held) {
        ops.entry((kind, stack)).or_default().insert(op);
    }
    ops
}

fn rule(process: &Process, row: &LeakRow, op: &str, syntax: Syntax) -> Option<String> {
    let frames = process.called(row.stack);
    match syntax {
        Syntax::Lsan => paste_ready_leak_sanitizer(&frames, &process.wrappers()),
        Syntax::Valgrind => {
            let name = frames.iter().find_map(|frame| frame.function).unwrap_or("leak");
            Some(paste_ready_valgrind(name, rule_kind(row.kind)?, op, &frames))
        }
    }
}

/// By rule, in the order in which they are written: how many of `all` leaks it hides that are not shown.
fn others(shown: &[Finding], all: &[Finding]) -> Vec<usize> {
    let mut written = HashSet::new();
    let rules: Vec<&str> =
        shown.iter().filter_map(|finding| finding.rule.as_deref()).filter(|rule| written.insert(*rule)).collect();
    let mut counts = vec![0; rules.len()];
    let is_shown: HashSet<_> = shown.iter().map(key).collect();
    let rest: Vec<&Finding> = all.iter().filter(|finding| !is_shown.contains(&key(finding))).collect();
    // What was written here can be read.
    let Some(rules) = Rules::from_text("", rules.join("\n").as_bytes()).ok().filter(|_| !rest.is_empty()) else {
        return counts;
    };
    let mut matcher = rules.matcher();
    for finding in rest {
        let frames = finding.process.called(finding.row.stack);
        let rule = rule_kind(finding.row.kind).and_then(|kind| matcher.first_match(kind, finding.op, &frames));
        if let Some(count) = rule.and_then(|rule| counts.get_mut(rule)) {
            *count += 1;
        }
    }
    counts
}

fn key<'f>(finding: &'f Finding) -> (*const Process, Kind, u32, &'f str) {
    (finding.process, finding.row.kind, finding.row.stack, finding.op)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Suppress;
    use crate::profile::leaks::{Leak, Sum};
    use crate::profile::sample::{self, process};

    /// Leaks of three functions, one of them in two kinds and by two callers; the last frames have no names.
    fn profile() -> Profile {
        let process = process(|maker| {
            let stacks =
                [&["plant", "a", "main"][..], &["plant", "b", "main"], &["ns::dig<int>(x*)", "main"], &["xmalloc"]]
                    .map(|functions| maker.stack(functions));
            let leak = |stack: usize, kind, op: &str, bytes| Leak {
                op: op.into(),
                ..sample::leak(stacks[stack], kind, 1, bytes, Sum::default())
            };
            let leaks = vec![
                leak(0, Kind::Definite, "malloc", 500),
                leak(1, Kind::Definite, "malloc", 400),
                leak(1, Kind::Definite, "calloc", 300),
                leak(3, Kind::Definite, "operator new", 200),
                leak(0, Kind::Possible, "malloc", 100),
                leak(2, Kind::Possible, "realloc", 50),
            ];
            let mut check = Check { cause: "end".into(), rung: "alone".into(), leaks, ..Check::default() };
            for leak in check.leaks.clone() {
                check.summary.of(leak.kind).add(leak.blocks, leak.bytes);
            }
            maker.process().checks.push(check);
        });
        Profile { processes: vec![process], ..Profile::without_processes() }
    }

    fn written(syntax: Syntax, show: Option<Kinds>, filter: Option<&str>) -> String {
        let mut text = Vec::new();
        let choice = Choice { filter: filter.map(String::from), ..Choice::default() };
        write(&profile(), syntax, show, &choice, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Bytes of definite and possible leaks that are left by these rules.
    fn left(rules: &str) -> (u64, u64) {
        let rules = Rules::from_text("x", rules.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{rules}"));
        let mut profile = profile();
        profile.hide(&Suppress::new(&rules).unwrap());
        // None of them is too much.
        assert!(profile.suppressions.iter().all(|one| one.blocks > 0), "{:?}", profile.suppressions);
        let summary = profile.processes[0].checks[0].summary;
        (summary.definite.bytes, summary.possible.bytes)
    }

    #[test]
    fn what_is_written_hides_what_is_shown_and_nothing_else() {
        assert_eq!(left(&written(Syntax::Lsan, None, None)), (0, 0));
        assert_eq!(left(&written(Syntax::Valgrind, None, None)), (0, 0));
        assert_eq!(left(&written(Syntax::Lsan, None, Some("*dig*"))), (1400, 100));
        assert_eq!(left(&written(Syntax::Valgrind, None, Some("b"))), (700, 150));
        assert_eq!(left(&written(Syntax::Valgrind, Kinds::parse(b"possible"), None)), (1400, 0));
    }

    #[test]
    fn each_rule_is_written_once_in_the_order_of_the_report() {
        let text = "\
# Leaks that memtrace found, as suppressions for it and for lsan.
leak:^plant$
leak:^xmalloc$
leak:ns::dig<int>(x*)$
";
        assert_eq!(written(Syntax::Lsan, None, None), text);
        let valgrind = written(Syntax::Valgrind, None, None);
        assert!(
            valgrind
                .starts_with("# Leaks that memtrace found, as suppressions for it and for valgrind.\n{\n   plant\n")
        );
        assert_eq!(valgrind.matches("\n{\n").count(), 6, "{valgrind}");
    }

    #[test]
    fn a_rule_that_hides_more_than_was_chosen_says_so() {
        let text = written(Syntax::Lsan, None, Some("a"));
        assert!(text.ends_with("lsan.\n# This hides 2 more leaks.\nleak:^plant$\n"), "{text}");
        assert!(!written(Syntax::Valgrind, None, Some("a")).contains("# This"));
        let text = written(Syntax::Lsan, Kinds::parse(b"possible"), Some("plant"));
        assert!(text.contains("# This hides 3 more leaks.\n"), "{text}");
    }

    #[test]
    fn a_stack_without_names_has_no_line() {
        let mut profile = profile();
        let process = &mut profile.processes[0];
        process.modules[0].path = String::new();
        process.frames.iter_mut().for_each(|frame| frame.function = None);
        let mut text = Vec::new();
        write(&profile, Syntax::Lsan, None, &Choice::default(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\n# No name is known in the stack of: 200 bytes in 1 blocks are definitely lost\n"));
        assert!(!text.contains("leak:"), "{text}");
    }
}

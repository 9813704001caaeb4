//! A report as TAP, version 13: a line for each case, and all that is to be said of it in comments below.

use std::io::{self, Write};

use super::cases::State;
use super::model::Report;
use crate::text::Safe;

/// Writes it.
pub fn write(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "TAP version 13\n1..{}", report.cases.len())?;
    for (number, case) in (1..).zip(&report.cases) {
        let state = State::of(case, report);
        let result = if state.fails() { "not ok" } else { "ok" };
        write!(to, "{result} {number} - {}", plain(&format!("{}: {}", case.group, case.name)))?;
        if let Some(reason) = &state.skipped {
            write!(to, " # SKIP {}", plain(reason))?;
        }
        writeln!(to)?;
        let details = state.errors.iter().chain(&state.others).flat_map(|item| item.detail.lines());
        state.failure.into_iter().flat_map(str::lines).chain(details).try_for_each(|line| comment(line, to))?;
    }
    report.notes.iter().try_for_each(|note| comment(note, to))
}

/// A text without what stands before a directive.
fn plain(text: &str) -> String {
    Safe(text).to_string().replace('\\', "\\\\").replace('#', "\\#")
}

fn comment(line: &str, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "# {}", Safe(line))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, report};
    use super::*;
    use std::process::{Command, Stdio};

    fn written(report: &Report) -> String {
        sample::written(write, report)
    }

    #[test]
    fn cases_are_lines_and_what_is_to_be_said_stands_below() {
        let text = "\
TAP version 13
1..5
not ok 1 - app: read_all 01
# bad in read
#   all of it
# poor in read
#   all of it
ok 2 - app: copy 02 # SKIP known: waits (bad in read)
ok 3 - app: main 03
# poor in read
#   all of it
ok 4 - app: main 04
ok 5 - app: main 05 # SKIP the time was up
# stderr varies
";
        assert_eq!(written(&report()), text);
    }

    #[test]
    fn no_text_is_a_directive_or_a_line_of_its_own() {
        let mut report = report();
        report.cases[0].name = "x # SKIP y\nok 9".into();
        report.cases[3].failure = Some("a\nBail out!".into());
        report.items[0].detail = "ok 7\r\n\u{1b}[2J".into();
        let text = written(&report);
        assert!(text.contains("not ok 1 - app: x \\# SKIP y\\\\u{a}ok 9\n# ok 7"), "{text}");
        assert!(text.contains("not ok 4 - app: main 04\n# a\n# Bail out!\n"), "{text}");
        let is_known = |line: &str| ["TAP version 13", "1..5"].contains(&line) || line.starts_with("# ");
        assert_eq!(text.lines().filter(|line| !is_known(line)).count(), 5, "{text}");
    }

    #[test]
    fn prove_reads_it() {
        let name = format!("memtrace-tap-{}.tap", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, written(&report())).unwrap();
        let output = Command::new("prove").args(["-e", "cat", "-v"]).arg(&path).stdin(Stdio::null()).output();
        std::fs::remove_file(&path).unwrap();
        let Ok(output) = output else {
            println!("skipped: there is no prove");
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("Failed 1/5 subtests") && said.contains("(less 2 skipped subtests: 2 okay)"), "{said}");
        assert!(!said.contains("Parse errors"), "{said}");
    }
}

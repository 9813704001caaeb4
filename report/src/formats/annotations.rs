//! Findings as workflow commands of GitHub's runners: `::error file=…,line=…,title=…::message`, a line each.
//!
//! Invariant: no text of a finding begins a command of its own, or ends the one that it stands in.

use std::fmt::{self, Display, Formatter, Write as _};
use std::io::{self, Write};

use super::model::{Item, Level, Report};
use crate::text::{Safe, count};

/// What a runner shows of one step.
const SHOWN_MAX: usize = 10;

/// Writes the findings that are not accepted, the worst first.
pub fn write(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    let mut items: Vec<&Item> = report.items.iter().filter(|item| item.accepted.is_none()).collect();
    items.sort_by_key(|item| item.level);
    // The last one says how many there are beside those that are shown.
    let shown = if items.len() > SHOWN_MAX { SHOWN_MAX - 1 } else { items.len() };
    for item in items.iter().take(shown) {
        write!(to, "::{}", command(item.level))?;
        let mut separator = ' ';
        // A file that is not in the checkout has no line to stand at.
        if let Some(place) = item.location.as_ref().filter(|place| place.is_own) {
            write!(to, " file={}", Property(&Safe(&place.path).to_string()))?;
            if let Some(line) = place.line {
                write!(to, ",line={line}")?;
            }
            separator = ',';
        }
        let title = Safe(item.rule).to_string();
        let message = format!("{}\n{}", one_line(&item.title), item.message);
        writeln!(to, "{separator}title={}::{}", Property(&title), Message(&lines(message.trim_end_matches('\n'))))?;
    }
    let more = items.len() - shown;
    if more > 0 {
        let level = items.get(shown).map_or(Level::Note, |item| item.level);
        writeln!(to, "::{} title=memtrace::{}", command(level), count(more as u64, "more finding"))?;
    }
    Ok(())
}

fn command(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "notice",
    }
}

fn one_line(text: &str) -> String {
    Safe(text).to_string()
}

/// Its lines, each without what steers a terminal.
fn lines(text: &str) -> String {
    text.lines().map(one_line).collect::<Vec<_>>().join("\n")
}

/// What stands behind `::`.
struct Message<'t>(&'t str);

impl Display for Message<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        escape(self.0, "%\r\n", f)
    }
}

/// A value before it.
struct Property<'t>(&'t str);

impl Display for Property<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        escape(self.0, "%\r\n:,", f)
    }
}

fn escape(text: &str, special: &str, f: &mut Formatter<'_>) -> fmt::Result {
    text.chars().try_for_each(|letter| match special.contains(letter) {
        true => write!(f, "%{:02X}", u32::from(letter)),
        false => f.write_char(letter),
    })
}

#[cfg(test)]
mod tests {
    use super::super::model::Location;
    use super::super::sample::{self, item, report};
    use super::*;

    fn written(report: &Report) -> String {
        sample::written(write, report)
    }

    #[test]
    fn each_finding_is_a_command_with_its_place() {
        let text = "\
::error file=io.c,line=12,title=bad::bad in parse%0Afirst%0Asecond
::warning title=poor::poor in read
";
        assert_eq!(written(&report()), text);
    }

    #[test]
    fn a_file_outside_the_checkout_is_not_named() {
        let mut report = report();
        report.items[0].location = Some(Location { path: "/usr/src/a.c".into(), is_own: false, line: Some(1) });
        assert!(written(&report).starts_with("::error title=bad::bad in parse"));
    }

    #[test]
    fn no_text_leaves_its_command() {
        let mut report = report();
        let odd = "a:b,c%\r\n::error::x\u{1b}]0;\u{2028}";
        report.items.truncate(1);
        report.items[0].title = odd.into();
        report.items[0].message = odd.into();
        report.items[0].location = Some(Location { path: odd.into(), is_own: true, line: Some(1) });
        let text = written(&report);
        let expected = "::error file=a%3Ab%2Cc%25\\u{d}\\u{a}%3A%3Aerror%3A%3Ax\\u{1b}]0;\\u{2028},line=1,title=bad::\
                        a:b,c%25\\u{d}\\u{a}::error::x\\u{1b}]0;\\u{2028}%0Aa:b,c%25%0A::error::x\\u{1b}]0;\\u{2028}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_worst_are_shown_and_the_rest_is_counted() {
        let mut report = report();
        report.items =
            (0..12).map(|place| item("poor", if place == 11 { Level::Error } else { Level::Warning })).collect();
        let text = written(&report);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 10);
        assert!(lines[0].starts_with("::error "), "{text}");
        assert_eq!(lines[9], "::warning title=memtrace::3 more findings");
        report.items.truncate(10);
        assert_eq!(written(&report).lines().count(), 10);
        assert!(!written(&report).contains("more finding"));
    }
}

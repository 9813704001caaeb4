//! Findings of a doctor as text and as JSON.

use std::io::{self, Write};

use serde::{Serialize, Serializer};

use super::{Finding, State};
use crate::json;
use crate::text::{Safe, Style};

const FORMAT: json::Format = json::Format { noun: "doctor's report", name: "memtrace-doctor", version: 1 };

/// A report as other programs read it.
#[derive(Serialize)]
struct Report<'f> {
    format: &'static str,
    version: u32,
    /// The version of memtrace.
    memtrace: &'static str,
    /// All that is needed works.
    ok: bool,
    findings: &'f [Finding],
}

/// A state as its word.
pub fn word<S: Serializer>(state: &State, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.word())
}

/// For other programs.
pub fn json(findings: &[Finding], to: &mut dyn Write) -> io::Result<()> {
    let ok = failing(findings) == 0;
    let (format, version) = (FORMAT.name, FORMAT.version);
    json::write_for_people(&Report { format, version, memtrace: env!("CARGO_PKG_VERSION"), ok, findings }, to)
}

/// For people: a line for each, what to do below it, and a last line with the sum.
pub fn text(findings: &[Finding], style: Style, to: &mut dyn Write) -> io::Result<()> {
    let (on, off) = style.strong();
    let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    let state_width = State::WORDS.iter().map(|word| word.len()).max().unwrap_or(0);
    for Finding { name, state, text, hint } in findings {
        let (on, off) = if *state == State::Fails { (on, off) } else { ("", "") };
        writeln!(to, "{name:width$}  {on}{:state_width$}{off}  {}", state.word(), Safe(text))?;
        if let Some(hint) = hint {
            writeln!(to, "{:1$}hint: {2}", "", width + state_width + 4, Safe(hint))?;
        }
    }
    match failing(findings) {
        0 => writeln!(to, "memtrace: all that is needed works here"),
        1 => writeln!(to, "memtrace: 1 thing that is needed does not work here"),
        count => writeln!(to, "memtrace: {count} things that are needed do not work here"),
    }
}

fn failing(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.state == State::Fails).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::works("memfd", "a recording can be made"),
            Finding::fails("program", "a \x1b[2J name", Some("build it".into())),
        ]
    }

    #[test]
    fn a_line_for_each_what_to_do_below_it_and_a_sum() {
        let mut text = Vec::new();
        super::text(&findings(), Style::default(), &mut text).unwrap();
        let expected = "memfd    works    a recording can be made\n\
                        program  fails    a \\u{1b}[2J name\n                  hint: build it\n\
                        memtrace: 1 thing that is needed does not work here\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn the_json_is_as_its_schema_says() {
        let schema = include_str!("../../schema/doctor-1.schema.json").parse().unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for findings in [findings(), Vec::new()] {
            let mut bytes = Vec::new();
            super::json(&findings, &mut bytes).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            assert!(validator.is_valid(&text.parse().unwrap()), "{text}");
            assert_eq!(text.contains(r#""ok": true"#), findings.is_empty());
        }
        assert!(!validator.is_valid(&r#"{"format": "memtrace-doctor"}"#.parse().unwrap()));
    }
}

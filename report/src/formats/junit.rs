//! A report as JUnit's XML: a suite, with a case for each thing that was tried.
//!
//! A case fails for findings that are errors. It counts as skipped if all its findings are accepted, or if it was not
//! tried. What is a warning or a note is the case's output.

use std::collections::HashMap;
use std::io::{self, Write};

use super::cases::State;
use super::model::{Case, Item, Report};
use crate::text::Safe;
use crate::xml::Escaped;

/// Writes the document.
pub fn write(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    let states: Vec<State> = report.cases.iter().map(|case| State::of(case, report)).collect();
    let failures = states.iter().filter(|state| state.fails()).count();
    let skipped = states.iter().filter(|state| state.skipped.is_some()).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\"", states.len());
    writeln!(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(to, "<testsuites name=\"memtrace\" {counts}>")?;
    writeln!(to, "  <testsuite name=\"{}\" {counts}>", line(&report.suite))?;
    let mut told = HashMap::new();
    for (case, state) in report.cases.iter().zip(&states) {
        write_case(case, state, &mut told, to)?;
    }
    if !report.notes.is_empty() {
        let notes: Vec<String> = report.notes.iter().map(|note| Safe(note).to_string()).collect();
        writeln!(to, "    <system-out>{}</system-out>", Escaped(&notes.join("\n")))?;
    }
    writeln!(to, "  </testsuite>\n</testsuites>")
}

/// `told`: by fingerprint, the case that tells all of a finding. Many cases may have led to it.
fn write_case<'r>(
    case: &'r Case,
    state: &State<'r>,
    told: &mut HashMap<&'r str, &'r str>,
    to: &mut dyn Write,
) -> io::Result<()> {
    let head = format!("    <testcase classname=\"{}\" name=\"{}\"", line(&case.group), line(&case.name));
    if !state.fails() && state.others.is_empty() && state.skipped.is_none() {
        return writeln!(to, "{head}/>");
    }
    writeln!(to, "{head}>")?;
    let mut details = |items: &[&'r Item<'r>]| {
        let detail = |item: &&'r Item<'r>| match *told.entry(&item.fingerprint).or_insert(&case.name) {
            first if first == case.name => item.detail.clone(),
            first => format!("{}\n  as in the case {}\n", Safe(&item.title), Safe(first)),
        };
        items.iter().map(detail).collect::<Vec<_>>().join("\n")
    };
    if let Some(failure) = state.failure {
        writeln!(to, "      <failure message=\"{}\"/>", line(failure))?;
    } else if let Some(first) = state.errors.first() {
        let titles: Vec<&str> = state.errors.iter().map(|item| item.title.as_str()).collect();
        let text = details(&state.errors);
        writeln!(
            to,
            "      <failure type=\"{}\" message=\"{}\">{}</failure>",
            line(first.rule),
            line(&titles.join("; ")),
            Escaped(&text)
        )?;
    }
    if let Some(reason) = &state.skipped {
        writeln!(to, "      <skipped message=\"{}\"/>", line(reason))?;
    }
    if !state.others.is_empty() {
        writeln!(to, "      <system-out>{}</system-out>", Escaped(&details(&state.others)))?;
    }
    writeln!(to, "    </testcase>")
}

/// A text as the value of an attribute, where readers make spaces of ends of lines.
fn line(text: &str) -> String {
    Escaped(&Safe(text).to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, report};
    use super::*;
    use roxmltree::{Document, Node};
    use std::process::{Command, Stdio};

    fn written(report: &Report) -> String {
        sample::written(write, report)
    }

    fn child<'d>(case: Node<'d, 'd>, name: &str) -> Option<Node<'d, 'd>> {
        case.children().find(|child| child.has_tag_name(name))
    }

    #[test]
    fn cases_fail_for_errors_and_are_skipped_for_what_is_accepted() {
        let text = written(&report());
        let document = Document::parse(&text).unwrap();
        let suite = child(document.root_element(), "testsuite").unwrap();
        assert_eq!(suite.attribute("name"), Some("./app 'data file'"));
        let counts = ["tests", "failures", "errors", "skipped"].map(|name| suite.attribute(name).unwrap());
        assert_eq!(counts, ["5", "1", "0", "2"]);
        let cases: Vec<Node> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
        let failure = child(cases[0], "failure").unwrap();
        assert_eq!((failure.attribute("type"), failure.attribute("message")), (Some("bad"), Some("bad in parse")));
        assert_eq!(failure.text(), Some("bad in read\n  all of it\n"));
        assert_eq!(child(cases[0], "system-out").unwrap().text(), Some("poor in read\n  all of it\n"));
        let skipped = child(cases[1], "skipped").unwrap();
        assert_eq!(skipped.attribute("message"), Some("known: waits (bad in read)"));
        // Told already, by the first case.
        let output = child(cases[2], "system-out").unwrap().text();
        assert_eq!(output, Some("poor in read\n  as in the case read_all 01\n"));
        assert_eq!(cases[3].children().count(), 0);
        assert_eq!(child(cases[4], "skipped").unwrap().attribute("message"), Some("the time was up"));
        assert_eq!(child(suite, "system-out").unwrap().text(), Some("stderr varies"));
    }

    #[test]
    fn hostile_texts_stay_texts() {
        let odd = "]]></failure>\"'&<x y='\u{0}\u{1b}\u{fffe}\r\n\t\u{202e}/>";
        let mut report = report();
        report.suite = odd.into();
        report.notes = vec![odd.into()];
        for item in &mut report.items {
            (item.title, item.detail) = (odd.into(), odd.into());
            item.accepted = item.accepted.as_ref().map(|_| odd.into());
        }
        for case in &mut report.cases {
            (case.group, case.name) = (odd.into(), format!("{odd}{}", case.name));
        }
        let text = written(&report);
        let document = Document::parse(&text).unwrap();
        let elements = document.descendants().filter(Node::is_element).count();
        let plain = written(&sample::report());
        assert_eq!(elements, Document::parse(&plain).unwrap().descendants().filter(Node::is_element).count());
        let suite = child(document.root_element(), "testsuite").unwrap();
        let shown =
            "]]></failure>\"'&<x y='\\u{0}\\u{1b}\u{fffe}\\u{d}\\u{a}\\u{9}\\u{202e}/>".replace('\u{fffe}', "\u{fffd}");
        assert_eq!(suite.attribute("name"), Some(shown.as_str()));
    }

    #[test]
    fn junitparser_reads_it() {
        let script = "
import sys
try:
    import junitparser
except ImportError:
    print('junitparser is not installed')
    sys.exit(0)
xml = junitparser.JUnitXml.fromstring(sys.stdin.buffer.read())
print('read', xml.tests, xml.failures, xml.skipped)
for suite in xml:
    for case in suite:
        print(case.classname, case.name, [type(result).__name__ for result in case.result])
";
        let python = std::env::var_os("MEMTRACE_TEST_PYTHON").unwrap_or_else(|| "python3".into());
        let child = Command::new(python).args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            println!("skipped: there is no python3");
            return;
        };
        child.stdin.take().unwrap().write_all(written(&report()).as_bytes()).unwrap();
        let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        if said.starts_with("junitparser") {
            println!("skipped: {said}");
            return;
        }
        let expected = "read 5 1 2\napp read_all 01 ['Failure']\napp copy 02 ['Skipped']\napp main 03 []\n\
                        app main 04 []\napp main 05 ['Skipped']\n";
        assert_eq!(said, expected);
    }
}

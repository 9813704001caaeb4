//! Findings as GitLab's code quality report: what a merge request shows beside the lines that it changes.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::model::{Item, Level, Report};
use crate::json;
use crate::text::Safe;
use crate::views::base_name;

/// Writes the findings that are not accepted.
pub fn write(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    let items = report.items.iter().filter(|item| item.accepted.is_none());
    json::write(&items.map(issue).collect::<Vec<_>>(), to)
}

fn issue(item: &Item) -> Value {
    let severity = match item.level {
        Level::Error => "major",
        Level::Warning => "minor",
        Level::Note => "info",
    };
    // Two findings of one fingerprint would be one to GitLab.
    json!({
        "description": Safe(&item.title).to_string(),
        "check_name": format!("memtrace/{}", item.rule),
        "fingerprint": item.fingerprint,
        "severity": severity,
        "location": {"path": path(item), "lines": {"begin": line(item)}},
    })
}

/// Named from the checkout; a path is a must.
fn path(item: &Item) -> String {
    let module = || item.related.iter().chain(&item.flow).flat_map(|step| &step.frames).find_map(|call| call.module);
    let path = match &item.location {
        Some(place) => place.path.as_str(),
        None => module().map_or("(unknown)", base_name),
    };
    Safe(path.trim_start_matches('/')).to_string()
}

fn line(item: &Item) -> u32 {
    item.location.as_ref().and_then(|place| place.line).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::model::Location;
    use super::super::sample::{self, report};
    use super::*;

    fn written(report: &Report) -> Value {
        serde_json::from_str(&sample::written(write, report)).unwrap()
    }

    /// What GitLab's documentation asks for of each issue.
    fn is_issue(issue: &Value) -> bool {
        let is_text = |key: &str| issue[key].as_str().is_some_and(|text| !text.is_empty());
        let severities = ["info", "minor", "major", "critical", "blocker"];
        let path = issue["location"]["path"].as_str().unwrap_or_default();
        is_text("description")
            && is_text("check_name")
            && is_text("fingerprint")
            && severities.iter().any(|severity| issue["severity"] == *severity)
            && !path.is_empty()
            && !path.starts_with("./")
            && !path.starts_with('/')
            && issue["location"]["lines"]["begin"].as_u64().is_some_and(|line| line > 0)
    }

    #[test]
    fn open_findings_are_issues_with_their_places() {
        let found = written(&report());
        let issues = found.as_array().unwrap();
        assert_eq!(issues.len(), 2, "the accepted one is none");
        assert!(issues.iter().all(is_issue), "{found:#}");
        let expected = json!({
            "description": "bad in parse", "check_name": "memtrace/bad", "fingerprint": "0000000000f1", "severity": "major",
            "location": {"path": "io.c", "lines": {"begin": 12}},
        });
        assert_eq!(issues[0], expected);
        assert_eq!((&issues[1]["severity"], &issues[1]["location"]["path"]), (&json!("minor"), &json!("(unknown)")));
    }

    #[test]
    fn a_place_without_a_line_or_outside_the_checkout_is_an_issue_still() {
        let mut report = report();
        report.items[0].location = Some(Location { path: "/usr/src/\u{1b}a.c".into(), is_own: false, line: None });
        report.items[1].related = std::mem::take(&mut report.items[0].related);
        let found = written(&report);
        assert!(found.as_array().unwrap().iter().all(is_issue), "{found:#}");
        assert_eq!(found[0]["location"], json!({"path": "usr/src/\\u{1b}a.c", "lines": {"begin": 1}}));
        assert_eq!(found[1]["location"]["path"], "libc.so.6");
    }
}

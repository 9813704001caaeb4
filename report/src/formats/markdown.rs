//! A report as Markdown, for the summary of a job or a comment: a table of what was found, and each finding to unfold.
//!
//! Invariants: no text of a finding is markup, a link or a mention; the whole is no longer than a job's summary may be.

use std::io::{self, Write};

use super::model::{Item, Level, Report};
use crate::text::{Safe, count};

/// GitHub refuses a summary of more than 1 MiB, and steps of one job share some of it.
pub const BYTES_MAX: usize = 900_000;

/// Writes it.
pub fn write(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    to.write_all(text(report, BYTES_MAX).as_bytes())
}

/// The text, no longer than that.
pub fn text(report: &Report, bytes_max: usize) -> String {
    let mut text = format!("## memtrace: {}\n\n", escaped(&report.summary));
    text.push_str(&format!("{}\n\n", code(&report.suite)));
    let notes: Vec<String> = report.notes.iter().map(|note| format!("- {}\n", escaped(note))).collect();
    let mut items: Vec<&Item> = report.items.iter().collect();
    items.sort_by_key(|item| (item.accepted.is_some(), item.level));
    let tail: usize = notes.iter().map(String::len).sum::<usize>() + 200;
    let room = bytes_max.saturating_sub(tail);
    if !items.is_empty() {
        text.push_str("| | finding | where | fingerprint |\n|---|---|---|---|\n");
        let rows = items.iter().map(|item| row(item)).collect();
        let left = take(&mut text, rows, room / 2);
        text.push_str(
            &left.map(|left| format!("\n{} not in this table\n", count(left, "more finding"))).unwrap_or_default(),
        );
        text.push('\n');
    }
    let open = items.iter().filter(|item| item.accepted.is_none()).map(|item| details(item)).collect();
    if let Some(left) = take(&mut text, open, room) {
        text.push_str(&format!("{} not shown here\n\n", count(left, "more finding")));
    }
    notes.iter().for_each(|note| text.push_str(note));
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// Appends pieces as long as there is room; how many are left, if any.
fn take(text: &mut String, pieces: Vec<String>, room: usize) -> Option<u64> {
    let all = pieces.len();
    let mut taken = 0;
    for piece in pieces {
        if text.len() + piece.len() > room {
            break;
        }
        text.push_str(&piece);
        taken += 1;
    }
    (taken < all).then_some((all - taken) as u64)
}

fn row(item: &Item) -> String {
    let level = match (&item.accepted, item.level) {
        (Some(_), _) => "accepted",
        (None, Level::Error) => "**error**",
        (None, Level::Warning) => "warning",
        (None, Level::Note) => "note",
    };
    let place = item.location.as_ref().map(|place| match place.line {
        Some(line) => format!("{}:{line}", place.path),
        None => place.path.clone(),
    });
    let why = item.accepted.as_ref().map(|why| format!("<br>{}", escaped(why))).unwrap_or_default();
    let place = place.map(|place| cell(&place)).unwrap_or_default();
    format!("| {level} | {}{why} | {place} | {} |\n", escaped(&item.title), cell(&item.fingerprint))
}

fn details(item: &Item) -> String {
    let lines: Vec<String> = item.detail.lines().map(|line| Safe(line).to_string()).collect();
    let text = lines.join("\n");
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("<details><summary>{}</summary>\n\n{fence}text\n{text}\n{fence}\n\n</details>\n\n", html(&item.title))
}

/// Text that no reader of Markdown takes for more than that.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in Safe(text).to_string().chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // Not `\@`: hosts look for mentions after Markdown is read.
            '@' => escaped.push_str("@&#8203;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            letter => escaped.push(letter),
        }
    }
    escaped.replace("://", ":&#8203;//")
}

/// Text between two tags in a line that begins with one: there is no Markdown in it.
fn html(text: &str) -> String {
    Safe(text).to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('@', "@&#8203;")
}

/// Code in a line.
fn code(text: &str) -> String {
    let text = Safe(text).to_string();
    let fence = "`".repeat(longest_run(&text) + 1);
    format!("{fence} {text} {fence}")
}

/// The same in a table, where a bar ends the cell in code, too.
pub fn cell(text: &str) -> String {
    code(&text.replace('|', "¦"))
}

fn longest_run(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{item, report};
    use super::*;

    #[test]
    fn findings_are_a_table_and_can_be_unfolded() {
        let expected = "\
## memtrace: 2 findings

` ./app 'data file' `

| | finding | where | fingerprint |
|---|---|---|---|
| **error** | bad in parse | ` io.c:12 ` | ` 0000000000f1 ` |
| warning | poor in read |  | ` 0000000000f2 ` |
| accepted | bad in read<br>known: waits |  | ` 0000000000f2 ` |

<details><summary>bad in parse</summary>

```text
bad in read
  all of it
```

</details>

<details><summary>poor in read</summary>

```text
poor in read
  all of it
```

</details>

- stderr varies
";
        assert_eq!(text(&report(), BYTES_MAX), expected);
    }

    #[test]
    fn no_text_of_a_finding_is_markup() {
        let mut report = report();
        let odd = "</summary></details><script>|`x`| [a](http://b) @all ````\n# h\u{1b}";
        report.items.truncate(1);
        (report.items[0].title, report.items[0].detail) = (odd.into(), format!("````\n</details>\n{odd}"));
        (report.notes, report.suite) = (vec![odd.into()], odd.into());
        let text = text(&report, BYTES_MAX);
        // Within a fence that nothing in it ends, and in code, anything may stand.
        let (before, rest) = text.split_once("\n`````text\n").expect("a fence longer than any inside");
        let (_, after) = rest.split_once("\n`````\n").expect("it ends");
        let is_markdown = |line: &&str| !line.starts_with('`') && !line.starts_with("<details>");
        let outside: String = before.lines().filter(is_markdown).collect::<Vec<_>>().join("\n") + after;
        for markup in ["<script", "[a](", "@all", "http://", "\u{1b}"] {
            assert!(!outside.contains(markup), "{markup}: {outside}");
        }
        assert_eq!(outside.matches("</details>").count(), 1, "{outside}");
        let summary = before.lines().find(|line| line.starts_with("<details>")).unwrap_or_default();
        assert!(summary.ends_with("</summary>") && summary.matches('<').count() == 3, "{summary}");
    }

    #[test]
    fn the_text_is_cut_between_findings_and_says_so() {
        let mut report = report();
        report.items = (0..2000).map(|_| item("poor", Level::Error)).collect();
        for limit in [0, 100, 1000, 5000, 50_000, 100_000] {
            let text = text(&report, limit);
            assert!(text.len() <= limit, "{limit}: {}", text.len());
            assert!(limit < 1000 || text.contains("more findings not shown here"), "{limit}");
        }
        assert!(!text(&report, BYTES_MAX).contains("not shown here"));
    }
}

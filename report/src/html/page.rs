//! The page itself: its frame, its style, its script and its policy, put together around the data.

use std::io::{self, Write};

use super::digest::{base64, sha256};

/// The markup, with a place for everything else.
const FRAME: &str = include_str!("page/frame.html");
const STYLE: &str = include_str!("page/style.css");
/// The parts of the script, each after those that it needs. Together they are one function, so that nothing of theirs is
/// to be seen from outside.
const SCRIPT: [&str; 13] = [
    include_str!("page/words.js"),
    include_str!("page/elements.js"),
    include_str!("page/data.js"),
    include_str!("page/tree.js"),
    include_str!("page/graph.js"),
    include_str!("page/table.js"),
    include_str!("page/chart.js"),
    include_str!("page/stack.js"),
    include_str!("page/memory.js"),
    include_str!("page/run.js"),
    include_str!("page/change.js"),
    include_str!("page/sweep.js"),
    include_str!("page/main.js"),
];

/// Writes the page around its packed data.
pub fn write(data: &str, to: &mut dyn Write) -> io::Result<()> {
    let script = format!("(() => {{\n\"use strict\";\n{}}})();\n", flush_left(&without_comments(&SCRIPT.concat())));
    let style = flush_left(STYLE);
    // What is written between the tags is what the browser hashes, to the last byte.
    let hash = |text: &str| format!("'sha256-{}'", base64(&sha256(text.as_bytes())));
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(&script),
        hash(&style)
    );
    let mut rest = FRAME;
    for (mark, text) in [("{policy}", policy.as_str()), ("{style}", &style), ("{data}", data), ("{script}", &script)] {
        let (before, after) = rest.split_once(mark).unwrap_or((rest, ""));
        to.write_all(before.as_bytes())?;
        to.write_all(text.as_bytes())?;
        rest = after;
    }
    to.write_all(rest.as_bytes())
}

/// Without the comments, which stand on lines of their own.
fn without_comments(script: &str) -> String {
    let is_comment = |line: &&str| ["//", "/**", "* ", "*/"].iter().any(|start| line.trim_start().starts_with(start));
    script.lines().filter(|line| !is_comment(line)).flat_map(|line| [line, "\n"]).collect()
}

/// Without what only sets lines in; no text of the parts goes over a line's end.
fn flush_left(text: &str) -> String {
    text.lines().map(str::trim_start).filter(|line| !line.is_empty()).flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_parts_ends_the_element_that_it_stands_in() {
        let script = SCRIPT.concat();
        assert!(!script.contains("</script") && !script.contains("<!--") && !STYLE.contains("</"));
        for mark in ["{policy}", "{style}", "{data}", "{script}"] {
            assert_eq!(FRAME.matches(mark).count(), 1, "{mark}");
        }
    }

    #[test]
    fn comments_and_indentation_stay_here() {
        let script = "/** What.\n * More. */\n  // Why.\n  a * b; // x\n\n";
        assert_eq!(flush_left(&without_comments(script)), "a * b; // x\n");
    }

    #[test]
    fn the_script_sets_texts_and_never_markup_and_asks_for_nothing() {
        let script = SCRIPT.concat();
        let forbidden = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "fetch(",
            "XMLHttpRequest",
            "import(",
            "WebSocket",
            "sendBeacon",
            "localStorage",
            "http://",
            "https://",
            "setAttribute(\"style",
        ];
        // The name of SVG's elements is no address that anybody asks.
        let script = script.replace("http://www.w3.org/2000/svg", "");
        forbidden.iter().for_each(|word| assert!(!script.contains(word), "{word}"));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}

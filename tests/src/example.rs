//! The lines at the head of an example that say what must hold.
//!
//! ```text
//!   // flags: -O3                  for the compiler
//!   // library: a.so parts/a.c -DX  a library that is built first
//!   // env: NAME=VALUE             for the program
//!   // exit: 3   // exit: SIGABRT  its end; without the line: as without memtrace
//!   // only: bare                  not under the other way (`bare`, `run`)
//!   // report: --sort peak         `memtrace report` is asked, with this; else the report at the end too
//!   // expect: TEXT                stands in a line of the report, behind those of the expects above; … is anything
//!   // any order                   the expects may come in any order
//!   // expect-not: TEXT            stands nowhere in the report
//!   // expect-site: OP, 3 bytes in 1 block      a site of the profile
//!   // silent                      the program has nothing to report
//! ```

use std::path::Path;

/// What the head says.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Example {
    /// For the compiler.
    pub flags: Vec<String>,
    /// Name, source, flags.
    pub libraries: Vec<Vec<String>>,
    /// Name and value.
    pub variables: Vec<(String, String)>,
    /// `None`: as without memtrace.
    pub exit: Option<Exit>,
    /// The only way that it is run; `None`: both.
    pub only: Option<String>,
    /// Arguments for `memtrace report`.
    pub report: Option<Vec<String>>,
    /// Pieces of the report's lines.
    pub expects: Vec<String>,
    /// Their order does not matter.
    pub is_any_order: bool,
    /// Pieces that no line has.
    pub expects_not: Vec<String>,
    /// Sites of the profile.
    pub sites: Vec<ExpectedSite>,
    /// Nothing is said.
    pub is_silent: bool,
}

/// How it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

/// A site that the profile must have.
#[derive(PartialEq, Eq, Debug)]
pub struct ExpectedSite {
    /// The function that was called.
    pub op: String,
    /// At the end.
    pub live_bytes: u64,
    /// At the end.
    pub live_blocks: u64,
}

impl Example {
    /// Reads the head: comments up to the first line that is none. `Err` says what is wrong with it.
    pub fn read(path: &Path) -> Result<Example, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Example::parse(&text)
    }

    fn parse(text: &str) -> Result<Example, String> {
        let comment =
            |line: &str| ["//!", "//", "#"].iter().find_map(|mark| Some(line.strip_prefix(mark)?.trim().to_owned()));
        let mut example = Example::default();
        for line in text.lines().map_while(comment) {
            let (key, value) = line.split_once(": ").unwrap_or((line.as_str(), ""));
            let value = value.trim();
            match key {
                "flags" => example.flags.extend(words(value)),
                "library" => example.libraries.push(words(value)),
                "env" => example.variables.push(pair(value)?),
                "exit" => example.exit = Some(exit(value)?),
                "only" if ["bare", "run"].contains(&value) => example.only = Some(value.to_owned()),
                "report" => example.report = Some(words(value)),
                "expect" => example.expects.push(value.to_owned()),
                "any order" => example.is_any_order = true,
                "expect-not" => example.expects_not.push(value.to_owned()),
                "expect-site" => example.sites.push(site(value).ok_or_else(|| format!("no site: {value}"))?),
                "silent" => example.is_silent = true,
                // Prose begins with a capital, or is no `key: value`.
                _ if value.is_empty() || key.contains(' ') || key.starts_with(char::is_uppercase) => {}
                _ => return Err(format!("`{key}: {value}` is none of the lines of a head")),
            }
        }
        let says_something = example.is_silent || !example.expects.is_empty() || !example.sites.is_empty();
        says_something.then_some(example).ok_or_else(|| "it expects nothing".to_owned())
    }

    /// What is missing in a report, or too much; `None`: it is as expected.
    pub fn judge(&self, report: &str) -> Option<String> {
        let lines: Vec<&str> = report.lines().collect();
        let mut from = 0;
        for expected in &self.expects {
            let rest = lines.get(from..).unwrap_or_default();
            match rest.iter().position(|line| holds(line, expected)) {
                Some(place) if !self.is_any_order => from += place + 1,
                Some(_) => {}
                None => return Some(format!("`{expected}` is missing behind line {from}")),
            }
        }
        let unwanted = self.expects_not.iter().find(|text| report.contains(text.as_str()));
        unwanted.map(|text| format!("`{text}` is there"))
    }
}

/// Whether a line holds a text, in which `…` stands for anything.
fn holds(line: &str, text: &str) -> bool {
    let mut rest = Some(line);
    for piece in text.split('…') {
        rest = rest.and_then(|rest| Some(rest.split_once(piece)?.1));
    }
    rest.is_some()
}

fn words(value: &str) -> Vec<String> {
    value.split_whitespace().map(str::to_owned).collect()
}

fn pair(value: &str) -> Result<(String, String), String> {
    let (name, value) = value.split_once('=').ok_or_else(|| format!("no `=`: {value}"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn exit(value: &str) -> Result<Exit, String> {
    match value {
        "SIGABRT" => Ok(Exit::Signal(libc::SIGABRT)),
        "SIGKILL" => Ok(Exit::Signal(libc::SIGKILL)),
        "SIGSEGV" => Ok(Exit::Signal(libc::SIGSEGV)),
        "SIGTERM" => Ok(Exit::Signal(libc::SIGTERM)),
        _ => value.parse().map(Exit::Status).map_err(|_| format!("no exit: {value}")),
    }
}

/// `operator new, 3 bytes in 1 block`.
fn site(value: &str) -> Option<ExpectedSite> {
    let (op, numbers) = value.split_once(", ")?;
    let mut numbers = numbers.split_whitespace().filter_map(|word| word.replace(',', "").parse().ok());
    Some(ExpectedSite { op: op.to_owned(), live_bytes: numbers.next()?, live_blocks: numbers.next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(text: &str) -> Example {
        Example::parse(text).expect("it is a head")
    }

    #[test]
    fn a_head_is_read_up_to_the_first_line_of_code() {
        let read =
            example("// Says: why.\n// flags: -O3  -g\n// exit: 3\n// env: A=b=c\n// expect: x\nint y;\n// exit: 4\n");
        let flags = vec!["-O3".to_owned(), "-g".to_owned()];
        let variables = vec![("A".to_owned(), "b=c".to_owned())];
        let expects = vec!["x".to_owned()];
        let exit = Some(Exit::Status(3));
        assert_eq!(read, Example { flags, variables, expects, exit, ..Example::default() });
    }

    #[test]
    fn a_head_that_expects_nothing_or_has_an_unknown_word_is_wrong() {
        assert!(Example::parse("// Only prose.\nint x;\n").is_err());
        assert!(Example::parse("// expct: a\n// expect: b\n").is_err());
        assert!(Example::parse("// exit: soon\n// expect: b\n").is_err());
        assert!(Example::parse("// silent\n").is_ok());
    }

    #[test]
    fn expects_hold_in_their_order_each_in_a_line_of_its_own() {
        let head = "// expect: one\n// expect: two\n// expect-not: three\n";
        assert_eq!(example(head).judge("a one\nb two\n"), None);
        assert_eq!(example(head).judge("two\none\n"), Some("`two` is missing behind line 2".to_owned()));
        assert!(example(head).judge("one two\n").is_some());
        assert_eq!(example("// expect: a … c").judge("x a b c\n"), None);
        assert!(example("// expect: a … c").judge("c a\n").is_some());
        assert_eq!(example(head).judge("one\ntwo\nthree\n"), Some("`three` is there".to_owned()));
        assert_eq!(example(&format!("{head}// any order\n")).judge("two\none\n"), None);
    }

    #[test]
    fn a_site_has_an_operator_bytes_and_blocks() {
        let read = example("// expect-site: operator new[], 1,234 bytes in 2 blocks\n");
        let site = ExpectedSite { op: "operator new[]".to_owned(), live_bytes: 1234, live_blocks: 2 };
        assert_eq!(read.sites, [site]);
    }
}

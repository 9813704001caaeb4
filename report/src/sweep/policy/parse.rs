//! A policy's file, read: TOML, with the line of whatever is wrong.
//!
//! ```toml
//! [[rule]]
//! action = "known"            # or allow, ignore
//! outcome = "leak"            # all below: globs, all must match, one is needed
//! function = "parse_*"
//! caller = "read_*"
//! module = "libfoo.so*"
//! message = "*out of memory*"
//! id = "0123456789ab"
//! reason = "waits for the new reader"
//! expires = "2026-12-31"      # its last day; may be left out
//!
//! [[signature]]
//! outcome = "designed-abort"
//! stderr = "my_app: out of memory"
//! status = 3
//! ```

use std::ops::Range;

use memtrace_wire::settings::glob;
use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::{Spanned, Value};

use super::super::outcome::Outcome;
use super::super::signatures::Signature;
use super::day::Day;
use super::{Action, Policy, Rule};
use crate::text::start_of;

/// What is wrong with a file.
#[derive(PartialEq, Eq, Debug)]
pub struct Bad {
    /// Line, from 1.
    pub line: usize,
    /// What stands there, and what was expected.
    pub what: String,
}

/// Outcomes that a program's words can stand for.
const SAID: &[Outcome] =
    &[Outcome::DesignedAbort, Outcome::Assertion, Outcome::UncaughtException, Outcome::HeapCorruption];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Spanned<RawRule>>,
    #[serde(default)]
    signature: Vec<Spanned<RawSignature>>,
    /// What `memtrace check` reads of it.
    #[serde(rename = "check")]
    _check: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    action: Spanned<String>,
    reason: Spanned<String>,
    outcome: Option<Spanned<String>>,
    function: Option<String>,
    caller: Option<String>,
    module: Option<String>,
    message: Option<String>,
    id: Option<String>,
    expires: Option<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignature {
    outcome: Spanned<String>,
    stderr: Option<Spanned<String>>,
    status: Option<u8>,
}

/// The policy that a text describes; `name` is that of its file.
pub fn parse(name: &str, text: &str) -> Result<Policy, Bad> {
    let line = |span: &Range<usize>| {
        let before = text.as_bytes().get(..span.start).unwrap_or(text.as_bytes());
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    };
    let file: File = toml::from_str(text).map_err(|error| Bad {
        line: line(&error.span().unwrap_or(0..0)),
        what: start_of(&error.message().split_whitespace().collect::<Vec<_>>().join(" ")),
    })?;
    let bad = |span: Range<usize>, what: String| Bad { line: line(&span), what };
    let mut policy = Policy { name: name.to_owned(), rules: Vec::new(), signatures: Vec::new() };
    for raw in file.rule {
        let line = line(&raw.span());
        policy.rules.push(rule(raw, line).map_err(|(span, what)| bad(span, what))?);
    }
    for raw in file.signature {
        policy.signatures.push(signature(raw).map_err(|(span, what)| bad(span, what))?);
    }
    Ok(policy)
}

/// Where and what.
type Wrong = (Range<usize>, String);

fn rule(raw: Spanned<RawRule>, line: usize) -> Result<Rule, Wrong> {
    let span = raw.span();
    let raw = raw.into_inner();
    let action = match raw.action.as_ref().as_str() {
        "allow" => Action::Allow,
        "known" => Action::Known,
        "ignore" => Action::Ignore,
        found => return Err(wrong(&raw.action, found, "`allow`, `known` or `ignore`")),
    };
    if raw.reason.as_ref().trim().is_empty() {
        return Err(wrong(&raw.reason, raw.reason.as_ref(), "a reason in words"));
    }
    if let Some(outcome) = &raw.outcome
        && !Outcome::ALL.iter().any(|known| glob(outcome.as_ref().as_bytes(), known.name().as_bytes()))
    {
        return Err(wrong(outcome, outcome.as_ref(), &names(Outcome::ALL)));
    }
    let expires = match &raw.expires {
        None => None,
        Some(value) => {
            let text = match value.as_ref() {
                Value::String(text) => text.clone(),
                Value::Datetime(day) => day.to_string(),
                other => other.type_str().to_owned(),
            };
            Some(Day::parse(&text).ok_or_else(|| wrong(value, &text, "a day as `2026-12-31`"))?)
        }
    };
    let rule = Rule {
        line,
        action,
        outcome: raw.outcome.map(Spanned::into_inner),
        function: raw.function,
        caller: raw.caller,
        module: raw.module,
        message: raw.message,
        id: raw.id,
        reason: raw.reason.into_inner(),
        expires,
    };
    if rule.conditions().is_empty() {
        let what =
            "a rule for every finding, expected one of `outcome`, `function`, `caller`, `module`, `message`, `id`";
        return Err((span, what.to_owned()));
    }
    Ok(rule)
}

fn signature(raw: Spanned<RawSignature>) -> Result<Signature, Wrong> {
    let span = raw.span();
    let raw = raw.into_inner();
    let name = raw.outcome.as_ref();
    let outcome = SAID.iter().copied().find(|outcome| outcome.name() == name);
    let outcome = outcome.ok_or_else(|| wrong(&raw.outcome, name, &names(SAID)))?;
    if let Some(stderr) = &raw.stderr
        && stderr.as_ref().bytes().all(|byte| byte == b'*')
    {
        return Err(wrong(stderr, stderr.as_ref(), "a part of what the program says"));
    }
    if raw.stderr.is_none() && raw.status.is_none() {
        return Err((span, "a signature of every end, expected `stderr`, `status` or both".to_owned()));
    }
    let stderr = raw.stderr.map(Spanned::into_inner).unwrap_or_default();
    Ok(Signature { outcome, stderr, status: raw.status })
}

fn names(outcomes: &[Outcome]) -> String {
    let names: Vec<String> = outcomes.iter().map(|outcome| format!("`{}`", outcome.name())).collect();
    format!("one of {}", names.join(", "))
}

fn wrong<T>(place: &Spanned<T>, found: &str, expected: &str) -> Wrong {
    (place.span(), format!("found `{}`, expected {expected}", start_of(found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match parse("p.toml", text) {
            Ok(_) => "nothing".into(),
            Err(bad) => format!("{}: {}", bad.line, bad.what),
        }
    }

    const RULE: &str = "[[rule]]\naction = \"known\"\nreason = \"so\"\n";

    #[test]
    fn rules_and_signatures_are_read_with_their_lines() {
        let text = format!(
            "# ours\n\n{RULE}outcome = \"*\"\nexpires = \"2026-12-31\"\n\n{RULE}id = \"0\"\nexpires = 2027-01-01\n\
             [[signature]]\noutcome = \"designed-abort\"\nstderr = \"app: * memory\"\nstatus = 3\n"
        );
        let policy = parse("p.toml", &text).unwrap();
        let rules: Vec<_> =
            policy.rules.iter().map(|rule| (rule.line, rule.expires.map(|day| day.to_string()))).collect();
        assert_eq!(rules, [(3, Some("2026-12-31".into())), (9, Some("2027-01-01".into()))]);
        let [signature] = policy.signatures.as_slice() else { panic!() };
        assert_eq!((signature.outcome, signature.status), (Outcome::DesignedAbort, Some(3)));
        assert_eq!(signature.stderr, "app: * memory");
        assert!(parse("p.toml", "").unwrap().rules.is_empty());
    }

    #[test]
    fn whatever_is_wrong_is_said_with_its_line_and_what_was_expected() {
        for (text, expected) in [
            (
                "[[rule]]\naction = \"knwon\"\nreason = \"so\"",
                "2: found `knwon`, expected `allow`, `known` or `ignore`",
            ),
            ("[[rule]]\naction = \"known\"\nreason = \" \"", "3: found ` `, expected a reason in words"),
            ("\n[[rule]]\naction = \"known\"\n", "2: missing field `reason`"),
            (
                &format!("{RULE}outcome = \"leek\""),
                "4: found `leek`, expected one of `heap-corruption`, `null-dereference`",
            ),
            (
                &format!("{RULE}id = \"*\"\nexpires = \"2026-02-30\""),
                "5: found `2026-02-30`, expected a day as `2026-12-31`",
            ),
            (&format!("{RULE}id = \"*\"\nexpires = 7"), "5: found `integer`, expected a day"),
            (RULE, "1: a rule for every finding, expected one of `outcome`"),
            (&format!("{RULE}funktion = \"x\""), "4: unknown field `funktion`, expected one of `action`"),
            (&format!("{RULE}id = 5"), "4: invalid type: integer `5`, expected a string"),
            ("[[rules]]\n", "1: unknown field `rules`, expected one of `rule`, `signature`, `check`"),
            ("[[signature]]\noutcome = \"leak\"\n", "2: found `leak`, expected one of `designed-abort`, `assertion`"),
            ("[[signature]]\noutcome = \"assertion\"\n", "1: a signature of every end, expected `stderr`"),
            ("[[signature]]\noutcome = \"assertion\"\nstderr = \"**\"", "3: found `**`, expected a part of what"),
            ("[[signature]]\noutcome = \"assertion\"\nstatus = 256", "3: invalid value: integer `256`, expected u8"),
            ("a = \"\x1b", "1: "),
            ("[[rule]]\n= 5", "2: "),
        ] {
            let said = said(text);
            assert!(said.starts_with(expected), "{text}: {said}");
            assert!(!said.contains(char::is_control), "{said:?}");
        }
        assert!(said(&format!("{RULE}outcome = \"{}\"", "x".repeat(1 << 20))).len() < 2000);
    }

    #[test]
    fn no_text_stops_the_reader() {
        let text = format!(
            "{RULE}outcome = \"*\"\nexpires = 2026-12-31\n[[signature]]\noutcome = \"assertion\"\nstatus = 3\n"
        );
        for place in 0..text.len() {
            for flip in [1, 2, 4, 8, 0x10, 0x20, 0x40] {
                let mut bytes = text.clone().into_bytes();
                bytes[place] ^= flip;
                let _ = parse("p.toml", &String::from_utf8_lossy(&bytes));
            }
            let _ = parse("p.toml", &text[..place]);
        }
        let _ = parse("p.toml", &"[".repeat(1 << 20));
        let _ = parse("p.toml", &format!("a = {}", "[".repeat(1 << 20)));
    }
}

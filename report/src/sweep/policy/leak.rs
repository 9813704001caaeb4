//! What the rules of a policy say of a leak, or a heap error, that no failure led to: one of a check.

use super::super::model::Accepted;
use super::super::outcome::Outcome;
use super::{Day, Policy, Rule, is_match, is_name};
use crate::views::base_name;

/// A leak.
pub struct Leak<'l> {
    /// What it would be in a sweep: `Outcome::Leak`, or `Outcome::HeapCorruption` for a heap error.
    pub outcome: Outcome,
    /// Who allocated what is lost.
    pub function: &'l str,
    /// The modules on its stack.
    pub modules: &'l [&'l str],
    /// Its fingerprint.
    pub id: &'l str,
}

impl Policy {
    /// The first rule that holds today and accepts the leak. Rules for a failed call or a message are for sweeps alone.
    pub fn accepts(&self, leak: &Leak, today: Day) -> Option<Accepted> {
        let holds = |rule: &&Rule| rule.expires.is_none_or(|last| today <= last);
        self.rules.iter().filter(holds).find(|rule| rule.matches_leak(leak)).map(Rule::accepted)
    }
}

impl Policy {
    /// A rule that would accept the leak, and whose last day is over.
    pub fn ended(&self, leak: &Leak, today: Day) -> Option<String> {
        let over = |rule: &Rule| rule.expires.filter(|&last| today > last && rule.matches_leak(leak));
        self.rules.iter().find_map(|rule| {
            let last = over(rule)?;
            let (name, line, words) = (&self.name, rule.line, rule.in_words());
            Some(format!("policy `{name}`, line {line}: the rule `{words}` ended with {last} and no longer applies"))
        })
    }
}

impl Rule {
    fn matches_leak(&self, leak: &Leak) -> bool {
        self.conditions().into_iter().all(|(name, pattern)| match name {
            "outcome" => is_match(pattern, leak.outcome.name()),
            "function" => is_name(pattern, leak.function),
            "module" => leak.modules.iter().any(|path| is_match(pattern, path) || is_match(pattern, base_name(path))),
            "id" => is_match(pattern, leak.id),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn a_rule_accepts_a_leak_by_function_module_or_id_as_long_as_it_holds() {
        let accepts = |rule: &str| {
            let text = format!("[[rule]]\naction = 'known'\nreason = 'so'\n{}\n", rule.replace(';', "\n"));
            let policy = parse::parse("p.toml", &text).unwrap_or_else(|bad| panic!("{bad:?}"));
            let leak = Leak {
                outcome: Outcome::Leak,
                function: "load(int)",
                modules: &["/opt/libx.so", "/lib/libc.so.6"],
                id: "ab",
            };
            let today = Day::parse("2026-06-15").unwrap();
            let ended = policy.ended(&leak, today);
            assert_eq!(ended.is_some(), rule.contains("06-14"), "{ended:?}");
            policy.accepts(&leak, today).is_some()
        };
        for rule in ["outcome = 'leak'", "function = 'load'", "module = 'libx.so'; function = 'lo*'", "id = 'a?'"] {
            assert!(accepts(rule), "{rule}");
        }
        for rule in ["outcome = 'hang-*'", "function = 'store'", "module = 'liby.so'", "caller = '*'", "message = '*'"]
        {
            assert!(!accepts(rule), "{rule}");
        }
        assert!(accepts("id = '*'; expires = '2026-06-15'") && !accepts("id = '*'; expires = '2026-06-14'"));
    }
}

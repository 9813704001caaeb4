//! How text is set.

use std::io::{self, IsTerminal};

/// How text is set.
#[derive(Clone, Copy, Default, Debug)]
pub struct Style {
    /// With escape sequences for colour.
    pub is_coloured: bool,
}

impl Style {
    /// As stdout wants it.
    pub fn of_stdout() -> Style {
        Style { is_coloured: is_coloured(io::stdout().is_terminal(), |name| std::env::var(name).ok()) }
    }

    /// As stderr wants it.
    pub fn of_stderr() -> Style {
        Style { is_coloured: is_coloured(io::stderr().is_terminal(), |name| std::env::var(name).ok()) }
    }

    /// The numbers that one looks for.
    pub fn strong(self) -> (&'static str, &'static str) {
        if self.is_coloured { ("\x1b[1m", "\x1b[0m") } else { ("", "") }
    }
}

/// By convention: NO_COLOR beats all, then CLICOLOR_FORCE, then whether it is a terminal that has colours.
fn is_coloured(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    let is_on = |name| variable(name).is_some_and(|value| !value.is_empty() && value != "0");
    let is_off = variable("CLICOLOR").is_some_and(|value| value == "0");
    let is_dumb = variable("TERM").is_none_or(|value| value == "dumb");
    !is_set("NO_COLOR") && (is_on("CLICOLOR_FORCE") || is_terminal && !is_off && !is_dumb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_follows_the_conventions() {
        let coloured = |is_terminal, set: &[(&str, &str)]| {
            is_coloured(is_terminal, |name| {
                let all = set.iter().chain(&[("TERM", "xterm")]);
                all.into_iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_string())
            })
        };
        assert!(coloured(true, &[]) && !coloured(false, &[]));
        assert!(coloured(false, &[("CLICOLOR_FORCE", "1")]) && !coloured(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!coloured(true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]) && coloured(true, &[("NO_COLOR", "")]));
        assert!(!coloured(true, &[("CLICOLOR", "0")]) && !coloured(true, &[("TERM", "dumb")]));
    }
}

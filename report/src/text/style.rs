//! How text is set: colours, width and letters, as the terminal has them.

use std::io::{self, IsTerminal};

use crate::sys::terminal;

/// Where nothing says how wide lines may be.
const COLUMNS: usize = 80;
/// Narrower and wider terminals are taken for these.
const COLUMNS_MIN: usize = 40;
const COLUMNS_MAX: usize = 200;

/// How text is set.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// With escape sequences for colour.
    pub is_coloured: bool,
    /// Bars and curves are drawn with block elements; else with plain ASCII.
    pub has_blocks: bool,
    /// Where bars and curves end.
    pub columns: usize,
}

impl Default for Style {
    fn default() -> Style {
        Style { is_coloured: false, has_blocks: false, columns: COLUMNS }
    }
}

impl Style {
    /// As stdout wants it.
    pub fn of_stdout() -> Style {
        let variable = |name: &str| std::env::var(name).ok();
        let is_terminal = io::stdout().is_terminal();
        let columns = variable("COLUMNS").and_then(|text| text.parse().ok());
        let columns = columns.or_else(|| terminal::size().map(|(columns, _)| columns)).unwrap_or(COLUMNS);
        Style {
            is_coloured: is_coloured(is_terminal, variable),
            has_blocks: is_terminal && is_utf8(variable),
            columns: columns.clamp(COLUMNS_MIN, COLUMNS_MAX),
        }
    }

    /// As stderr wants it.
    pub fn of_stderr() -> Style {
        let is_coloured = is_coloured(io::stderr().is_terminal(), |name| std::env::var(name).ok());
        Style { is_coloured, ..Style::default() }
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

/// Whether the locale (locale(7)) has letters beyond ASCII.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let locale = names.into_iter().filter_map(variable).find(|value| !value.is_empty()).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
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

    #[test]
    fn the_first_variable_of_a_locale_that_says_something_holds() {
        let utf8 = |set: &[(&str, &str)]| {
            is_utf8(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_string()))
        };
        assert!(utf8(&[("LANG", "en_US.UTF-8")]) && utf8(&[("LC_ALL", "C.utf8"), ("LANG", "C")]));
        assert!(!utf8(&[]) && !utf8(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(utf8(&[("LC_ALL", ""), ("LC_CTYPE", "de_DE.UTF-8")]));
    }
}

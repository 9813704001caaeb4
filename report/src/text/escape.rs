//! Foreign text made harmless for a terminal.
//!
//! Names come from the target and its files: they may hold escape sequences, turn the direction of writing, break
//! lines or have no end.

use std::fmt::{self, Display, Formatter, Write};

/// Longer texts are cut.
const CHARS_MAX: usize = 16 << 10;

/// Characters that are shown of a bad value.
const START_MAX: usize = 300;

/// The start of a text that somebody else wrote, for a message.
pub fn start_of(text: &str) -> String {
    let shown: String = text.chars().take(START_MAX).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{}{more}", Safe(&shown))
}

/// Shows control and direction characters as `\u{..}`.
pub struct Safe<'t>(pub &'t str);

impl Display for Safe<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Nearly all texts are like this.
        if self.0.len() <= CHARS_MAX && self.0.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return f.write_str(self.0);
        }
        for (place, letter) in self.0.chars().enumerate() {
            if place == CHARS_MAX {
                return f.write_char('…');
            }
            if is_harmful(letter) {
                write!(f, "\\u{{{:x}}}", u32::from(letter))?;
            } else {
                f.write_char(letter)?;
            }
        }
        Ok(())
    }
}

fn is_harmful(letter: char) -> bool {
    let turns_or_hides = matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    letter.is_control() || turns_or_hides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        let text = "a\x1b[2J\u{202e}b\nc\u{9b}d\u{200b}é→";
        assert_eq!(Safe(text).to_string(), "a\\u{1b}[2J\\u{202e}b\\u{a}c\\u{9b}d\\u{200b}é→");
    }

    #[test]
    fn a_text_without_end_is_cut() {
        let text = "x".repeat(1 << 20);
        assert_eq!(Safe(&text).to_string().chars().count(), CHARS_MAX + 1);
    }
}

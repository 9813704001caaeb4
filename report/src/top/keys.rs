//! What is looked at, and how keys change it.

use crate::profile::Process;
use crate::views::{Filter, words};

use super::watch::Row;

words! {
    /// By what rows are sorted, largest first.
    pub enum Order {
        /// Live bytes.
        Live = "live",
        /// Bytes that live more than a second before.
        Growth = "growth",
        /// Allocations in a second.
        Rate = "rate",
        /// Bytes of all allocations.
        Total = "total",
        /// Allocations.
        Count = "count",
        /// Temporary allocations.
        Temporary = "temporary",
    }
}

/// A filter that is typed is no longer.
const FILTER_CHARS_MAX: usize = 100;

/// What is looked at.
#[derive(Clone, PartialEq, Debug)]
pub struct View {
    /// The order of rows.
    pub order: Order,
    /// Only stacks with a frame that matches.
    pub filter: Option<String>,
    /// Calls as a tree, from the outermost down.
    pub is_tree: bool,
    /// Rows that fit.
    pub rows_max: usize,
    /// The first row that is shown.
    pub first: usize,
    /// What is typed as a filter.
    pub typing: Option<String>,
    /// Nothing is looked at for now.
    pub is_paused: bool,
    /// The keys are explained.
    pub is_help: bool,
}

/// What a key asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Nothing.
    None,
    /// The same, drawn again.
    Draw,
    /// A new look.
    Look,
    /// The end.
    Quit,
}

impl View {
    /// Whether rows are chosen by their names.
    pub fn needs_all(&self) -> bool {
        self.filter.is_some() || self.is_tree || self.first > 0
    }

    /// Leaves the rows that match.
    pub fn filter(&self, process: &Process, rows: &mut Vec<Row>) {
        let filter = Filter::new(process, self.pattern().as_deref());
        rows.retain(|row| filter.takes(row.stack));
    }

    /// The filter as a pattern: without `*` and `?` it may stand anywhere in a name.
    pub fn pattern(&self) -> Option<String> {
        let filter = self.filter.as_ref()?;
        Some(if filter.contains(['*', '?']) { filter.clone() } else { format!("*{filter}*") })
    }

    /// What came from the terminal.
    pub fn take(&mut self, bytes: &[u8]) -> Wish {
        if let Some(typed) = self.typing.take() {
            return self.take_typed(typed, bytes);
        }
        let order = |order| (Some(order), Wish::Look);
        let (order, wish) = match bytes {
            b"q" | b"Q" | b"\x03" | b"\x04" => (None, Wish::Quit),
            b"l" => order(Order::Live),
            b"g" => order(Order::Growth),
            b"r" => order(Order::Rate),
            b"t" => order(Order::Total),
            b"c" => order(Order::Count),
            b"m" => order(Order::Temporary),
            b"v" => {
                (self.is_tree, self.first) = (!self.is_tree, 0);
                (None, Wish::Look)
            }
            b"/" | b"f" => {
                self.typing = Some(self.filter.clone().unwrap_or_default());
                (None, Wish::Draw)
            }
            b"\x1b" => {
                (self.filter, self.is_help, self.first) = (None, false, 0);
                (None, Wish::Look)
            }
            b" " => {
                self.is_paused = !self.is_paused;
                (None, Wish::Draw)
            }
            b"h" | b"?" => {
                self.is_help = !self.is_help;
                (None, Wish::Draw)
            }
            b"j" | b"\x1b[B" | b"\x1bOB" => (None, self.scroll(1)),
            b"k" | b"\x1b[A" | b"\x1bOA" => (None, self.scroll(-1)),
            b"\x1b[6~" => (None, self.scroll(self.rows_max as isize)),
            b"\x1b[5~" => (None, self.scroll(-(self.rows_max as isize))),
            // Several keys at once come as one text where they were typed fast, or pasted.
            [_, _, ..] if bytes[0] != 0x1b => {
                let wishes: Vec<Wish> = bytes.iter().map(|byte| self.take(&[*byte])).collect();
                let most = [Wish::Quit, Wish::Look, Wish::Draw].into_iter().find(|wish| wishes.contains(wish));
                (None, most.unwrap_or(Wish::None))
            }
            _ => (None, Wish::None),
        };
        if let Some(order) = order {
            (self.order, self.first) = (order, 0);
        }
        wish
    }

    fn scroll(&mut self, by: isize) -> Wish {
        self.first = self.first.saturating_add_signed(by);
        Wish::Look
    }

    fn take_typed(&mut self, mut typed: String, bytes: &[u8]) -> Wish {
        for letter in String::from_utf8_lossy(bytes).chars() {
            match letter {
                '\r' | '\n' => {
                    self.filter = Some(typed).filter(|typed| !typed.is_empty());
                    self.first = 0;
                    return Wish::Look;
                }
                '\x1b' => return Wish::Draw,
                '\x03' | '\x04' => return Wish::Quit,
                '\x08' | '\x7f' => _ = typed.pop(),
                '\x15' => typed.clear(),
                letter if !letter.is_control() && typed.chars().count() < FILTER_CHARS_MAX => typed.push(letter),
                _ => {}
            }
        }
        self.typing = Some(typed);
        Wish::Draw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            order: Order::Live,
            filter: None,
            is_tree: false,
            rows_max: 10,
            first: 0,
            typing: None,
            is_paused: false,
            is_help: false,
        }
    }

    #[test]
    fn each_key_does_what_the_help_says() {
        let mut view = view();
        for (key, order) in [
            (b"g", Order::Growth),
            (b"r", Order::Rate),
            (b"t", Order::Total),
            (b"c", Order::Count),
            (b"m", Order::Temporary),
            (b"l", Order::Live),
        ] {
            assert_eq!((view.take(key), view.order), (Wish::Look, order));
        }
        assert_eq!((view.take(b"v"), view.is_tree), (Wish::Look, true));
        assert_eq!((view.take(b" "), view.is_paused), (Wish::Draw, true));
        assert_eq!((view.take(b"h"), view.is_help), (Wish::Draw, true));
        assert_eq!((view.take(b"j"), view.take(b"\x1b[6~"), view.first), (Wish::Look, Wish::Look, 11));
        assert_eq!((view.take(b"\x1b[A"), view.first), (Wish::Look, 10));
        assert_eq!((view.take(b"\x1b[5~"), view.take(b"k"), view.first), (Wish::Look, Wish::Look, 0));
        assert_eq!((view.take(b"x"), view.take(b"\x1b[Z"), view.take(b"q")), (Wish::None, Wish::None, Wish::Quit));
        assert_eq!((view.take(b"gq"), view.order), (Wish::Quit, Order::Growth));
    }

    #[test]
    fn a_filter_is_typed_changed_and_left() {
        let mut view = view();
        for key in [&b"/"[..], b"lo", b"x", b"\x7f", b"ad*"] {
            assert_eq!(view.take(key), Wish::Draw);
        }
        assert_eq!((view.typing.as_deref(), view.filter.as_deref()), (Some("load*"), None));
        assert_eq!(
            (view.take(b"\r"), view.filter.as_deref(), view.typing.as_deref()),
            (Wish::Look, Some("load*"), None)
        );
        // What a key means elsewhere is a letter here, and escape leaves the filter as it was.
        assert_eq!((view.take(b"f"), view.take(b"q"), view.take(b"\x1b")), (Wish::Draw, Wish::Draw, Wish::Draw));
        assert_eq!(view.filter.as_deref(), Some("load*"));
        assert_eq!((view.take(b"\x1b"), view.filter.as_deref()), (Wish::Look, None));
        assert_eq!((view.take(b"/"), view.take(b"\x03")), (Wish::Draw, Wish::Quit));
    }

    #[test]
    fn a_paste_without_end_is_cut_and_steers_nothing() {
        let mut view = view();
        view.take(b"/");
        for _ in 0..10 {
            view.take("é\x01\x1f".repeat(20).as_bytes());
        }
        assert_eq!(view.typing, Some("é".repeat(FILTER_CHARS_MAX)));
    }
}

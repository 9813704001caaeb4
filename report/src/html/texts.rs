//! All texts of a page, each once, and each made harmless as it comes in.
//!
//! Invariant: no control character and no character that turns or hides text stands in the table, so that nothing behind
//! it has to think of them. The page sets texts as texts, never as markup.

use std::collections::HashMap;
use std::rc::Rc;

use serde::Serialize;

use crate::text::Safe;

/// Characters of one text: a name that is longer tells nothing more.
const CHARS_MAX: usize = 1_000;

/// The table. The first text is empty.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Texts {
    /// As they are shown.
    all: Vec<String>,
    #[serde(skip)]
    originals: Vec<Rc<str>>,
    #[serde(skip)]
    places: HashMap<Rc<str>, u32>,
}

impl Default for Texts {
    fn default() -> Self {
        let mut texts = Texts { all: Vec::new(), originals: Vec::new(), places: HashMap::new() };
        texts.place("");
        texts
    }
}

impl Texts {
    /// The place of a text.
    pub fn place(&mut self, text: &str) -> u32 {
        if let Some(&place) = self.places.get(text) {
            return place;
        }
        let place = self.all.len() as u32;
        self.all.push(harmless(text));
        let original: Rc<str> = text.into();
        self.originals.push(Rc::clone(&original));
        self.places.insert(original, place);
        place
    }

    /// What a text was before it was made harmless; nothing: it is empty.
    pub fn original(&self, place: u32) -> Option<&str> {
        if place == 0 { None } else { self.originals.get(place as usize).map(|text| &**text) }
    }

    /// The places of several.
    pub fn all<T: AsRef<str>>(&mut self, texts: impl IntoIterator<Item = T>) -> Vec<u32> {
        texts.into_iter().map(|text| self.place(text.as_ref())).collect()
    }
}

/// A text as a page may show it.
pub fn harmless(text: &str) -> String {
    let end = text.char_indices().nth(CHARS_MAX).map(|(at, _)| at);
    match end.and_then(|end| text.get(..end)) {
        Some(start) => format!("{}…", Safe(start)),
        None => Safe(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stands_in_the_table_once_and_without_harm() {
        let mut texts = Texts::default();
        let places = texts.all(["main", "", "a\u{202e}b\n", "main"]);
        assert_eq!(places, [1, 0, 2, 1]);
        assert_eq!(texts.all, ["", "main", "a\\u{202e}b\\u{a}"]);
        assert_eq!(harmless(&"é".repeat(2_000)).chars().count(), CHARS_MAX + 1);
    }
}

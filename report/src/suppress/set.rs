//! Many patterns at once: which of them match a text, without trying each.
//!
//! Every pattern stands under a few bytes of its longest literal, the rarest that it has. A text is cut into all its
//! runs of that many bytes, and only what stands under one of them is tried.
//!
//! Invariant: a pattern that matches a text stands under a run of that text, or in `wild`.

use std::collections::HashMap;
use std::rc::Rc;

use super::pattern::Style;

/// Lengths of the runs of bytes, longest first. A literal is looked up under the longest that it can fill.
const WIDTHS: [usize; 4] = [8, 4, 2, 1];
/// Runs of a literal among which the rarest is chosen. One of the first few is rare enough, and literals may be long.
const CHOICES_MAX: usize = 16;

/// Patterns of one language, numbered as they were added.
pub struct PatternSet {
    style: Style,
    patterns: Vec<String>,
    /// What has no literal: tried for every text.
    wild: Vec<u32>,
    /// For each of `WIDTHS`: run of bytes → patterns.
    runs: [HashMap<u64, Vec<u32>>; WIDTHS.len()],
    /// What was asked before: names repeat from stack to stack.
    known: HashMap<Box<str>, Rc<[u32]>>,
}

impl PatternSet {
    /// A set without patterns.
    pub fn new(style: Style) -> PatternSet {
        PatternSet { style, patterns: Vec::new(), wild: Vec::new(), runs: Default::default(), known: HashMap::new() }
    }

    /// Adds a pattern; its number.
    pub fn add(&mut self, pattern: &str) -> u32 {
        let number = u32::try_from(self.patterns.len()).unwrap_or(u32::MAX);
        let literal = self.style.literal(pattern).as_bytes();
        match WIDTHS.iter().position(|&width| literal.len() >= width) {
            None => self.wild.push(number),
            Some(which) => {
                let runs = &mut self.runs[which];
                let crowd = |run: &u64| runs.get(run).map_or(0, Vec::len);
                let rarest = literal.windows(WIDTHS[which]).take(CHOICES_MAX).map(key).min_by_key(crowd);
                runs.entry(rarest.unwrap_or_default()).or_default().push(number);
            }
        }
        self.patterns.push(pattern.to_owned());
        self.known.clear();
        number
    }

    /// The numbers of the patterns that match `text`, lowest first.
    pub fn matches(&mut self, text: &str) -> Rc<[u32]> {
        if let Some(known) = self.known.get(text) {
            return Rc::clone(known);
        }
        let found: Rc<[u32]> = self.search(text).into();
        self.known.insert(text.into(), Rc::clone(&found));
        found
    }

    fn search(&self, text: &str) -> Vec<u32> {
        let mut found = self.wild.clone();
        for (width, runs) in WIDTHS.into_iter().zip(&self.runs) {
            if runs.is_empty() {
                continue;
            }
            let mut keys: Vec<u64> = text.as_bytes().windows(width).map(key).collect();
            keys.sort_unstable();
            keys.dedup();
            found.extend(keys.iter().filter_map(|key| runs.get(key)).flatten());
        }
        // A pattern stands in one place, so none comes twice.
        found.retain(|&number| {
            self.patterns.get(number as usize).is_some_and(|pattern| self.style.matches(pattern, text))
        });
        found.sort_unstable();
        found
    }
}

fn key(run: &[u8]) -> u64 {
    run.iter().fold(0, |key, &byte| key << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_finds_what_trying_each_pattern_finds() {
        // A linear congruential generator is random enough for words of three letters.
        for seed in 0..200_u64 {
            let mut state = seed;
            let mut random = move |below: u64| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) % below
            };
            let mut word = |letters: &[char], length_max| -> String {
                let length = random(length_max);
                (0..length).map(|_| letters[random(letters.len() as u64) as usize]).collect()
            };
            for (style, letters) in
                [(Style::Template, ['a', 'b', '*', '^', '$']), (Style::Glob, ['a', 'b', '*', '?', 'é'])]
            {
                let patterns: Vec<_> = (0..50).map(|_| word(&letters, 14)).collect();
                let mut set = PatternSet::new(style);
                for pattern in &patterns {
                    set.add(pattern);
                }
                for _ in 0..50 {
                    let text = word(&['a', 'b', 'é'], 20);
                    let plain = (0..).zip(&patterns).filter(|(_, pattern)| style.matches(pattern, &text));
                    let plain: Vec<u32> = plain.map(|(number, _)| number).collect();
                    assert_eq!(*set.matches(&text), plain, "seed {seed}, {style:?}, `{text}`, {patterns:?}");
                    assert_eq!(*set.matches(&text), plain, "the second time");
                }
            }
        }
    }
}

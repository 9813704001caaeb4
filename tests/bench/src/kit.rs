//! What rows are run with: programs compiled here, programs of the system, and data, each made when first asked for.
//!
//! A row's words may hold names in braces: `{churn}` is compiled, `{templates.ii}` is data, `{python3}` the system's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::data;
use crate::error::Error;
use crate::find;
use crate::place::Place;

/// A program of this folder: its name, its source, and how it is compiled.
type Source = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// Without `-fno-builtin` a compiler drops a malloc whose block is only freed.
const C: &[&str] = &["-O2", "-fno-builtin", "-pthread"];
const C_FRAME_POINTERS: &[&str] = &["-O2", "-fno-builtin", "-pthread", "-fno-omit-frame-pointer"];
/// The names of the report come from debug information.
const C_DEBUG: &[&str] = &["-O2", "-fno-builtin", "-g"];

const SOURCES: &[Source] = &[
    ("churn", "churn.c", include_str!("../workloads/churn.c"), C),
    ("churn-fp", "churn.c", include_str!("../workloads/churn.c"), C_FRAME_POINTERS),
    ("cold", "cold.c", include_str!("../workloads/cold.c"), C),
    ("containers", "containers.cpp", include_str!("../workloads/containers.cpp"), &["-O2"]),
    ("cross", "cross.c", include_str!("../workloads/cross.c"), C),
    ("factor", "factor.c", include_str!("../workloads/factor.c"), C),
    ("live", "live.c", include_str!("../workloads/live.c"), C),
    ("server", "server.c", include_str!("../workloads/server.c"), C),
    ("sites", "sites.c", include_str!("../workloads/sites.c"), C_DEBUG),
    ("step", "step.c", include_str!("../workloads/step.c"), &["-O2", "-static"]),
    ("trivial", "trivial.c", include_str!("../workloads/trivial.c"), C),
];

/// Everything that was made so far.
#[derive(Debug)]
pub struct Kit<'p> {
    place: &'p Place,
    made: RefCell<BTreeMap<String, Result<PathBuf, Error>>>,
}

impl<'p> Kit<'p> {
    /// Nothing is made yet.
    pub fn new(place: &'p Place) -> Kit<'p> {
        Kit { place, made: RefCell::default() }
    }

    /// A command as it is started: `{n}` is the amount, `{place}` the folder, other names are looked for.
    pub fn words(&self, words: &[String], amount: u64) -> Result<Vec<String>, String> {
        words.iter().map(|word| self.word(word, amount)).collect()
    }

    fn word(&self, word: &str, amount: u64) -> Result<String, String> {
        let Some((before, rest)) = word.split_once('{') else { return Ok(word.to_owned()) };
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
        let (name, after) = match rest.split_once('}') {
            Some((name, after)) if !name.is_empty() && name.chars().all(is_letter) => (name, after),
            _ => return Ok(format!("{before}{{{}", self.word(rest, amount)?)),
        };
        let value = match name {
            "n" => amount.to_string(),
            "place" => self.place.path().display().to_string(),
            _ => self.thing(name, amount)?.display().to_string(),
        };
        Ok(format!("{before}{value}{}", self.word(after, amount)?))
    }

    /// A program or a file.
    fn thing(&self, name: &str, amount: u64) -> Result<PathBuf, String> {
        if SOURCES.iter().any(|source| source.0 == name) {
            return self.program(name).map_err(|error| error.to_string());
        }
        if !data::NAMES.contains(&name) {
            return find::program(name).ok_or_else(|| format!("`{name}` is not installed"));
        }
        let made = self.once(&format!("{amount}-{name}"), |to| data::make(self.place, name, amount, to));
        made.map_err(|error| error.to_string())
    }

    /// A program of this folder, compiled.
    pub fn program(&self, name: &str) -> Result<PathBuf, Error> {
        let known = SOURCES.iter().find(|source| source.0 == name);
        let &(_, file, text, flags) =
            known.ok_or_else(|| Error::failed(format!("`{name}` is no program of the benchmark")))?;
        self.once(name, |to| {
            let source = self.place.write(&format!("{name}-{file}"), text)?;
            let compiler = if file.ends_with(".cpp") { "g++" } else { "gcc" };
            let Some(path) = find::program(compiler) else {
                return Err(Error::failed(format!("`{compiler}` is not installed")).hint("install g++"));
            };
            let mut command = self.place.command(&path);
            command.args(flags).arg("-o").arg(to).arg(source);
            self.place.done(command).map(drop)
        })
    }

    /// Made at the first call, and the same answer given from then on.
    fn once(&self, name: &str, make: impl FnOnce(&Path) -> Result<(), Error>) -> Result<PathBuf, Error> {
        if let Some(Ok(path)) = self.made.borrow().get(name) {
            return Ok(path.clone());
        }
        let path = self.place.join(name);
        let answer = make(&path).map(|()| path);
        if let Ok(path) = &answer {
            self.made.borrow_mut().insert(name.to_owned(), Ok(path.clone()));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_braces_become_what_they_stand_for() {
        let place = Place::new().unwrap();
        let kit = Kit::new(&place);
        let words = |words: &[&str]| kit.words(&words.iter().map(|word| word.to_string()).collect::<Vec<_>>(), 7);
        assert_eq!(words(&["a", "x{n}y{n}"]).unwrap(), ["a", "x7y7"]);
        assert_eq!(words(&["{place}/s"]).unwrap(), [format!("{}/s", place.path().display())]);
        assert_eq!(words(&["[{a: 1}, {n}]{"]).unwrap(), ["[{a: 1}, 7]{"]);
        assert_eq!(words(&["{sh}"]).unwrap(), ["/usr/bin/sh"]);
        assert_eq!(words(&["{there-is-none}"]).unwrap_err(), "`there-is-none` is not installed");
    }
}

//! Which leaks nobody wants to hear of: the rules of LeakSanitizer's and valgrind's suppression files.
//!
//! ```text
//!   files, texts ──parse──▶ Rules ──┬─ leak:PATTERN ──▶ set of patterns ─┐
//!                                   └─ { blocks }   ──▶ automaton ───────┴──▶ Matcher: stack ─▶ first rule
//!   stack ──paste──▶ a rule of either syntax that matches it
//! ```
//!
//! Invariants:
//! - the rule that is named is the first that matches, in the order in which files and rules were given;
//! - what a file hides here, it hides in the tool that it was written for, as far as names agree.

mod allocator;
mod automaton;
mod name;
mod parse;
mod paste;
mod pattern;
mod set;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, cannot_open};
use automaton::{Automaton, FrameNames, Run};
pub use name::{bare, components, is_below_main, plain, without_arguments};
pub use parse::Bad;
use parse::{Body, Rule};
pub use paste::{paste_ready_leak_sanitizer, paste_ready_valgrind};
use pattern::Style;
use set::PatternSet;

/// Files are read whole; nobody writes longer ones by hand, and few by machine.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Name of a module, function or path that is not known, in valgrind's rules.
const UNKNOWN: &str = "???";
/// Name of a module that is not known, in LeakSanitizer's rules.
const UNKNOWN_MODULE: &str = "<unknown module>";

/// One frame of a stack.
#[derive(Clone, Copy, Default, Debug)]
pub struct Frame<'a> {
    /// Demangled.
    pub function: Option<&'a str>,
    /// The symbol.
    pub linkage: Option<&'a str>,
    /// Path of the module; empty: not known.
    pub module: &'a str,
    /// Path of the source file.
    pub file: Option<&'a str>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// The function's code was inlined into that of the next frame.
    pub inlined: bool,
    /// It is a Python function, which valgrind does not see: its rules may pass it over.
    pub python: bool,
}

/// How a block is lost, or held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Definitely lost.
    Definite = 0,
    /// Indirectly lost.
    Indirect = 1,
    /// Possibly lost.
    Possible = 2,
    /// Still reachable.
    Reachable = 3,
}

/// Rules of any number of files and texts, in the order in which they were added.
#[derive(Default)]
pub struct Rules {
    /// Names of files and texts.
    sources: Vec<String>,
    /// The rules, with places in `sources`.
    rules: Vec<(usize, Rule)>,
}

/// What a rule is called, and where it stands.
#[derive(PartialEq, Eq, Debug)]
pub struct RuleName<'r> {
    /// `leak:PATTERN`, or the name that its block has.
    pub name: &'r str,
    /// The file, or the name of the text.
    pub source: &'r str,
    /// Its line there, from 1.
    pub line: usize,
}

impl Rules {
    /// The rules of all these files.
    pub fn read(paths: &[PathBuf]) -> Result<Rules, Error> {
        let mut rules = Rules::default();
        paths.iter().try_for_each(|path| rules.add_file(path))?;
        Ok(rules)
    }

    /// Adds the rules of a file, behind those that are there: all of them, or none.
    pub fn add_file(&mut self, path: &Path) -> Result<(), Error> {
        let name = path.to_string_lossy();
        self.add_text(&name, &contents(path)?).map_err(|bad| error(&name, &bad))
    }

    /// The rules of a text; `name` stands for it in their names.
    pub fn from_text(name: &str, text: &[u8]) -> Result<Rules, Error> {
        let mut rules = Rules::default();
        rules.add_text(name, text).map_err(|bad| error(name, &bad))?;
        Ok(rules)
    }

    /// Adds the rules of a text, behind those that are there: all of them, or none.
    pub fn add_text(&mut self, name: &str, text: &[u8]) -> Result<(), Bad> {
        let parsed = parse::parse(text)?;
        let source = self.sources.len();
        self.sources.push(name.to_owned());
        self.rules.extend(parsed.into_iter().map(|rule| (source, rule)));
        Ok(())
    }

    /// All rules by name, in the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = RuleName<'_>> {
        self.rules.iter().map(|(source, rule)| RuleName {
            name: &rule.name,
            source: self.sources.get(*source).map_or("", String::as_str),
            line: rule.line,
        })
    }

    /// Makes the rules ready for many stacks.
    pub fn matcher(&self) -> Matcher {
        let mut matcher = Matcher {
            templates: PatternSet::new(Style::Template),
            template_rules: Vec::new(),
            blocks: Automaton::new(),
        };
        let mut templates = HashSet::new();
        for (index, (_, rule)) in self.rules.iter().enumerate() {
            match &rule.body {
                Body::Anywhere(pattern) => {
                    // Of equal ones only the first can be the first that matches.
                    if templates.insert(pattern) {
                        matcher.templates.add(pattern);
                        matcher.template_rules.push(index);
                    }
                }
                Body::Stack { kinds, lines } => matcher.blocks.add(index, *kinds, lines),
            }
        }
        matcher
    }
}

fn error(name: &str, bad: &Bad) -> Error {
    let found = format!("line {}: found {}, expected {}", bad.line, bad.found, bad.expected);
    Error::read(format!("suppressions `{name}`"), found)
}

fn contents(path: &Path) -> Result<Vec<u8>, Error> {
    let mut contents = Vec::new();
    let file = File::open(path).map_err(|cause| cannot_open(path, cause))?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut contents).map_err(|cause| cannot_open(path, cause))?;
    if contents.len() as u64 > FILE_BYTES_MAX {
        let what = format!("suppressions `{}`", path.display());
        return Err(Error::read(what, format!("found more than {FILE_BYTES_MAX} bytes, expected no more")));
    }
    Ok(contents)
}

/// Rules made ready. It remembers the names that it was asked about.
pub struct Matcher {
    templates: PatternSet,
    /// By the number of a template, its rule.
    template_rules: Vec<usize>,
    blocks: Automaton,
}

impl Matcher {
    /// The number of the first rule that matches a leak of this kind, from this function (`malloc`, `operator new`, …),
    /// called by `frames`, innermost first.
    pub fn first_match(&mut self, kind: Kind, op: &str, frames: &[Frame]) -> Option<usize> {
        [self.first_template(op, frames), self.first_block(kind, op, frames)].into_iter().flatten().min()
    }

    fn first_template(&mut self, op: &str, frames: &[Frame]) -> Option<usize> {
        if self.template_rules.is_empty() {
            return None;
        }
        // LeakSanitizer's stacks begin with the function itself.
        let own = allocator::ways(op).first().and_then(|way| way.first()).copied().unwrap_or_default();
        let names = frames.iter().flat_map(|frame| {
            let module = if frame.module.is_empty() { UNKNOWN_MODULE } else { frame.module };
            [Some(module), frame.function.or(frame.linkage), frame.file]
        });
        let mut first = None;
        for name in names.flatten().chain(own.iter().copied()) {
            let number = self.templates.matches(name).first().copied();
            first = [first, number].into_iter().flatten().min();
        }
        self.template_rules.get(first? as usize).copied()
    }

    fn first_block(&mut self, kind: Kind, op: &str, frames: &[Frame]) -> Option<usize> {
        if self.blocks.is_empty() {
            return None;
        }
        let mut run: Option<Run> = None;
        for way in allocator::ways(op) {
            let mut begun = self.blocks.start(kind);
            for names in *way {
                let names = FrameNames {
                    functions: names.to_vec(),
                    objects: allocator::OBJECTS.to_vec(),
                    files: vec![allocator::SOURCE],
                    ..FrameNames::default()
                };
                begun = self.blocks.step(&begun, &names, kind);
            }
            match &mut run {
                None => run = Some(begun),
                Some(run) => self.blocks.join(run, &begun),
            }
        }
        let mut run = run?;
        for frame in frames {
            let mut next = self.blocks.step(&run, &names(frame), kind);
            if frame.python {
                self.blocks.join(&mut next, &run);
            }
            run = next;
        }
        run.rule()
    }
}

/// The names that valgrind's rules can know a frame under.
fn names<'a>(frame: &Frame<'a>) -> FrameNames<'a> {
    let mut functions: Vec<&str> = [frame.linkage, frame.function].into_iter().flatten().collect();
    functions.extend(functions.clone().into_iter().flat_map(name::others));
    functions.sort_unstable();
    functions.dedup();
    if functions.is_empty() {
        functions.push(UNKNOWN);
    }
    let mut files: Vec<&str> = frame.file.into_iter().collect();
    files.extend(frame.file.and_then(|file| file.rsplit_once('/')).map(|(_, base)| base));
    FrameNames {
        functions,
        bare: frame.function.filter(|_| frame.inlined).map(|function| name::plain(name::bare(function))),
        objects: vec![if frame.module.is_empty() { UNKNOWN } else { frame.module }],
        files,
        line: frame.line,
    }
}

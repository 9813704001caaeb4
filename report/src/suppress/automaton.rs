//! All stacks of valgrind's rules in one machine that reads a stack once.
//!
//! ```text
//!   fun:malloc                          start ──fun:malloc──▶ 1 ──fun:strdup──▶ 2 (rule A)
//!   fun:strdup        (rule A)                                │
//!                                                             └──────...──────▶ 3 ──fun:main──▶ 4 (rule B)
//!   fun:malloc                                                                 ↺ any frame
//!   ...
//!   fun:main          (rule B)
//! ```
//!
//! Rules with the same beginning share its states. The machine is in several states at once, so a frame costs (states ×
//! patterns that match it), however many rules there are and however often they say `...`.
//!
//! Invariant: what follows a `...` is in the set of states whenever what precedes it is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Kind;
use super::name;
use super::parse::Line;
use super::pattern::Style;
use super::set::PatternSet;

/// The names of one frame. A pattern has to match one of them.
#[derive(Default)]
pub struct FrameNames<'a> {
    /// Symbol and demangled name.
    pub functions: Vec<&'a str>,
    /// The bare name of an inlined function.
    pub bare: Option<&'a str>,
    /// Path of the module.
    pub objects: Vec<&'a str>,
    /// The source file, with and without its directory.
    pub files: Vec<&'a str>,
    /// The line in it.
    pub line: Option<u32>,
}

/// A state's place in `states`.
type StateId = u32;

/// Something that a frame can match.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Symbol {
    Function(u32),
    Object(u32),
    Source(u32, Option<u32>),
}

/// No rule.
const NONE: u32 = u32::MAX;

struct State {
    /// It is kept by any frame: it stands behind a `...`.
    stays: bool,
    /// The state behind a `...` that follows.
    any: Option<StateId>,
    /// By kind, the first rule that is matched here, or `NONE`.
    rules: [u32; 4],
}

/// The machine.
pub struct Automaton {
    states: Vec<State>,
    arrows: HashMap<(StateId, Symbol), StateId>,
    functions: Patterns,
    /// The same numbers as `functions`, without template arguments: for the bare names of inlined functions.
    bare: PatternSet,
    /// The same numbers, by the demangled name: of a profile that was read the symbols are not known.
    demangled: HashMap<String, Vec<u32>>,
    objects: Patterns,
    sources: Patterns,
}

/// Patterns of one kind of line, each once.
struct Patterns {
    numbers: HashMap<String, u32>,
    set: PatternSet,
}

impl Patterns {
    fn new() -> Patterns {
        Patterns { numbers: HashMap::new(), set: PatternSet::new(Style::Glob) }
    }

    /// The pattern's number, and whether it is new.
    fn add(&mut self, pattern: &str) -> (u32, bool) {
        match self.numbers.entry(pattern.to_owned()) {
            Entry::Occupied(known) => (*known.get(), false),
            Entry::Vacant(new) => (*new.insert(self.set.add(pattern)), true),
        }
    }
}

/// Where the machine is after some frames.
#[derive(Clone)]
pub struct Run {
    /// Each once.
    states: Vec<StateId>,
    /// The first rule that was matched on the way, or `NONE`.
    rule: u32,
}

impl Run {
    /// The first rule that matches what was read.
    pub fn rule(&self) -> Option<usize> {
        (self.rule != NONE).then_some(self.rule as usize)
    }
}

impl Automaton {
    /// A machine without rules.
    pub fn new() -> Automaton {
        let start = State { stays: false, any: None, rules: [NONE; 4] };
        Automaton {
            states: vec![start],
            arrows: HashMap::new(),
            functions: Patterns::new(),
            bare: PatternSet::new(Style::Glob),
            demangled: HashMap::new(),
            objects: Patterns::new(),
            sources: Patterns::new(),
        }
    }

    /// Whether no rule was added.
    pub fn is_empty(&self) -> bool {
        self.states.len() == 1
    }

    /// Adds a rule, numbered higher than those before.
    pub fn add(&mut self, rule: usize, kinds: [bool; 4], lines: &[Line]) {
        let rule = u32::try_from(rule).unwrap_or(NONE);
        let mut state = 0;
        for line in lines {
            state = match line {
                Line::Any => self.behind_any(state),
                Line::Function(pattern) => {
                    let plain = name::plain(pattern);
                    let (number, is_new) = self.functions.add(plain);
                    if is_new {
                        self.bare.add(name::without_arguments(plain));
                        if let Some(function) = name::demangled(plain) {
                            self.demangled.entry(function).or_default().push(number);
                        }
                    }
                    self.behind(state, Symbol::Function(number))
                }
                Line::Object(pattern) => {
                    let number = self.objects.add(pattern).0;
                    self.behind(state, Symbol::Object(number))
                }
                Line::Source(pattern, line) => {
                    let number = self.sources.add(pattern).0;
                    self.behind(state, Symbol::Source(number, *line))
                }
            };
        }
        if let Some(state) = self.states.get_mut(state as usize) {
            for (first, _) in state.rules.iter_mut().zip(kinds).filter(|(_, wanted)| *wanted) {
                *first = rule.min(*first);
            }
        }
    }

    /// A state takes a line of a file, so files would have to be longer than they may.
    fn count(&self) -> StateId {
        StateId::try_from(self.states.len()).unwrap_or(StateId::MAX)
    }

    fn behind(&mut self, state: StateId, symbol: Symbol) -> StateId {
        let next = self.count();
        let next = *self.arrows.entry((state, symbol)).or_insert(next);
        self.ensure(next, false);
        next
    }

    fn behind_any(&mut self, state: StateId) -> StateId {
        let next = self.count();
        let Some(from) = self.states.get_mut(state as usize) else {
            return state;
        };
        // Two of them in a row are one.
        if from.stays {
            return state;
        }
        let next = *from.any.get_or_insert(next);
        self.ensure(next, true);
        next
    }

    fn ensure(&mut self, state: StateId, stays: bool) {
        if state == self.count() {
            self.states.push(State { stays, any: None, rules: [NONE; 4] });
        }
    }

    /// Before the first frame.
    pub fn start(&self, kind: Kind) -> Run {
        let mut run = Run { states: Vec::new(), rule: NONE };
        self.enter(&mut run, 0, kind);
        run
    }

    /// Reads one frame.
    pub fn step(&mut self, run: &Run, names: &FrameNames, kind: Kind) -> Run {
        let symbols = self.symbols(names);
        let mut after = Run { states: Vec::new(), rule: run.rule };
        for &state in &run.states {
            if self.states.get(state as usize).is_some_and(|state| state.stays) {
                self.enter(&mut after, state, kind);
            }
            for symbol in &symbols {
                if let Some(&next) = self.arrows.get(&(state, *symbol)) {
                    self.enter(&mut after, next, kind);
                }
            }
        }
        after.states.sort_unstable();
        after.states.dedup();
        after
    }

    /// Adds the states of `other`.
    pub fn join(&self, run: &mut Run, other: &Run) {
        run.states.extend(&other.states);
        run.states.sort_unstable();
        run.states.dedup();
        run.rule = run.rule.min(other.rule);
    }

    fn enter(&self, run: &mut Run, state: StateId, kind: Kind) {
        let mut next = Some(state);
        while let Some((id, state)) = next.and_then(|id| Some((id, self.states.get(id as usize)?))) {
            run.states.push(id);
            run.rule = run.rule.min(state.rules[kind as usize]);
            next = state.any;
        }
    }

    /// All that a frame matches.
    fn symbols(&mut self, names: &FrameNames) -> Vec<Symbol> {
        let mut symbols = Vec::new();
        for function in &names.functions {
            symbols.extend(self.functions.set.matches(function).iter().map(|&number| Symbol::Function(number)));
            let demangled = self.demangled.get(*function).into_iter().flatten();
            symbols.extend(demangled.map(|&number| Symbol::Function(number)));
        }
        if let Some(bare) = names.bare {
            symbols.extend(self.bare.matches(bare).iter().map(|&number| Symbol::Function(number)));
        }
        for object in &names.objects {
            symbols.extend(self.objects.set.matches(object).iter().map(|&number| Symbol::Object(number)));
        }
        for file in &names.files {
            for &number in self.sources.set.matches(file).iter() {
                symbols.push(Symbol::Source(number, None));
                symbols.extend(names.line.map(|line| Symbol::Source(number, Some(line))));
            }
        }
        symbols
    }
}

//! The stacks of all runs of a sweep, each once, and their names.

use std::collections::HashMap;

use memtrace_wire::layout::Op;
use memtrace_wire::point::{Namer, module_key};

use super::facts::{Facts, SOURCE, Source};
use super::model::{Frame, Sweep};
use crate::names::{self, Answers, ModuleKey, Places, Wanted};
use crate::site::{self, Part, Wrappers};

/// A frame without a name: number of its module, and offset in its file; or `SOURCE` and the number of its source site.
type Raw = (u32, u64);

/// All stacks.
#[derive(Default)]
pub struct Stacks {
    stacks: Vec<Vec<Raw>>,
    numbers: HashMap<Vec<Raw>, u32>,
    modules: Vec<ModuleKey>,
    module_numbers: HashMap<ModuleKey, u32>,
    sources: Vec<Source>,
    source_numbers: HashMap<Source, u64>,
    /// MEMTRACE_WRAPPERS.
    pub wrappers: Option<String>,
    /// As far as they were resolved.
    named: Named,
}

/// Frames with names.
#[derive(Default)]
struct Named {
    /// All frames.
    frames: Vec<Frame>,
    /// Of each stack the frames, innermost first; those that were resolved.
    stacks: Vec<Vec<u32>>,
    /// The frames of each that was seen: a call has several where others were inlined into it.
    known: HashMap<Raw, std::ops::Range<u32>>,
    /// Source sites that do not say their function, in the function of the call.
    in_functions: HashMap<(Raw, String), u32>,
    /// What each frame is to the site of an allocation.
    parts: Vec<Part>,
}

impl Stacks {
    /// None. `wrappers`: a MEMTRACE_WRAPPERS.
    pub fn with(wrappers: Option<String>) -> Stacks {
        Stacks { wrappers, ..Stacks::default() }
    }

    /// Takes the stacks of a run over; by their number there the number here.
    pub fn take(&mut self, facts: &Facts) -> Vec<u32> {
        let modules: Vec<u32> = facts
            .modules
            .iter()
            .map(|(path, build_id)| self.module(ModuleKey { path: path.clone(), build_id: build_id.clone() }))
            .collect();
        let number = |module: u32| modules.get(module as usize).copied().unwrap_or(u32::MAX);
        let sources: Vec<u64> = facts.sources.iter().map(|source| self.source(source)).collect();
        let own = |&(module, at): &Raw| match module {
            SOURCE => (SOURCE, sources.get(at as usize).copied().unwrap_or(u64::MAX)),
            module => (number(module), at),
        };
        facts.stacks.iter().map(|frames| self.number(frames.iter().map(own).collect())).collect()
    }

    fn source(&mut self, source: &Source) -> u64 {
        let next = self.sources.len() as u64;
        *self.source_numbers.entry(source.clone()).or_insert_with_key(|source| {
            self.sources.push(source.clone());
            next
        })
    }

    fn module(&mut self, key: ModuleKey) -> u32 {
        let next = self.modules.len() as u32;
        *self.module_numbers.entry(key).or_insert_with_key(|key| {
            self.modules.push(key.clone());
            next
        })
    }

    fn number(&mut self, frames: Vec<Raw>) -> u32 {
        let next = self.stacks.len() as u32;
        *self.numbers.entry(frames).or_insert_with_key(|frames| {
            self.stacks.push(frames.clone());
            next
        })
    }

    /// How many frames a stack has.
    pub fn depth(&self, stack: u32) -> usize {
        self.stacks.get(stack as usize).map_or(0, Vec::len)
    }

    /// The base names of the modules on a stack.
    pub fn modules(&self, stack: u32) -> impl Iterator<Item = String> {
        let frames = self.stacks.get(stack as usize).into_iter().flatten();
        let modules = frames.filter_map(|&(module, _)| self.modules.get(module as usize));
        modules.filter_map(|key| Some(key.path.file_name()?.to_string_lossy().into_owned()))
    }

    /// The innermost frame of a stack, without a name.
    pub fn innermost(&self, stack: u32) -> Option<Raw> {
        self.stacks.get(stack as usize)?.first().copied()
    }

    /// Finds the names of all stacks that came since it was called last. The numbers of frames are the same however
    /// often it is called.
    pub fn resolve(&mut self) {
        let wrappers = Wrappers::of(self.wrappers.as_deref());
        let Named { frames, stacks, known, in_functions, parts } = &mut self.named;
        let new = self.stacks.get(stacks.len()..).unwrap_or_default();
        let mut requests: HashMap<ModuleKey, Wanted> = HashMap::new();
        for raw in new.iter().flatten().filter(|raw| !known.contains_key(raw)) {
            if let Some(key) = self.modules.get(raw.0 as usize) {
                requests.entry(key.clone()).or_default().code.insert(raw.1);
            }
        }
        let answers = names::resolve(requests, &Places::system());
        for stack in new {
            let mut of_stack = Vec::new();
            for &raw in stack {
                let range = known.entry(raw).or_insert_with(|| {
                    let first = frames.len() as u32;
                    match raw {
                        (SOURCE, number) => {
                            frames.push(self.sources.get(number as usize).map_or_else(Frame::default, of_source))
                        }
                        raw => frames.extend(frames_of(raw, &self.modules, &answers)),
                    }
                    first..frames.len() as u32
                });
                of_stack.extend(range.clone());
            }
            if let (Some(&(SOURCE, number)), [own, caller, ..]) = (stack.first(), of_stack.as_mut_slice())
                && let Some(frame) = frames.get(*own as usize).filter(|frame| frame.function.is_none()).cloned()
                && let Some(function) = frames.get(*caller as usize).and_then(|frame| frame.function.clone())
                && wrappers.part(Some(&function), "") == Part::Own
            {
                let next = frames.len() as u32;
                *own = *in_functions.entry(((SOURCE, number), function)).or_insert_with_key(|(_, function)| {
                    frames.push(Frame { function: Some(function.clone()), ..frame });
                    next
                });
            }
            stacks.push(of_stack);
        }
        parts.extend(frames.get(parts.len()..).unwrap_or_default().iter().map(|frame| part(frame, &wrappers)));
    }

    /// Whether all stacks have names, as far as there are any.
    pub fn are_resolved(&self) -> bool {
        self.named.stacks.len() == self.stacks.len()
    }

    /// All frames with names, and all stacks of them, as far as they are resolved.
    pub fn named(&self) -> (&[Frame], &[Vec<u32>]) {
        (&self.named.frames, &self.named.stacks)
    }

    /// All frames, and all stacks of them, as they leave.
    pub fn into_named(self) -> (Vec<Frame>, Vec<Vec<u32>>) {
        (self.named.frames, self.named.stacks)
    }

    /// The named frames of a stack, innermost first.
    pub fn frames(&self, stack: u32) -> impl Iterator<Item = &Frame> {
        let places = self.named.stacks.get(stack as usize).into_iter().flatten();
        places.filter_map(|&place| self.named.frames.get(place as usize))
    }

    /// The function that a stack is told by.
    pub fn caller(&self, stack: u32) -> Option<String> {
        let places = self.named.stacks.get(stack as usize)?;
        let parts = places.iter().filter_map(|&place| self.named.parts.get(place as usize).copied());
        Some(label(self.named.frames.get(*places.get(site::place(parts)?)? as usize)?))
    }

    /// A hash over the function that was called and the names of the functions on its stack.
    pub fn symbolic(&self, op: u32, stack: u32) -> u64 {
        let mut namer = Namer::new(Op::from_number(op).unwrap_or(Op::Unknown));
        for frame in self.frames(stack).filter(|frame| !frame.inlined) {
            namer.push(module_key(label(frame).as_bytes(), b""));
        }
        namer.name()
    }
}

/// What a frame is to the site of an allocation.
pub fn part(frame: &Frame, wrappers: &Wrappers) -> Part {
    wrappers.part(frame.function.as_deref(), frame.module.as_deref().unwrap_or_default())
}

/// The function that a stack of a sweep's is told by.
pub fn caller(sweep: &Sweep, stack: u32, wrappers: &Wrappers) -> Option<String> {
    let places = sweep.stacks.get(stack as usize).into_iter().flatten();
    let frames: Vec<&Frame> = places.filter_map(|&place| sweep.frames.get(place as usize)).collect();
    let place = site::place(frames.iter().map(|frame| part(frame, wrappers)))?;
    frames.get(place).map(|frame| label(frame))
}

/// A frame in a word: its function, or where it is.
pub fn label(frame: &Frame) -> String {
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    match (&frame.function, &frame.module, &frame.file, frame.line) {
        (Some(function), ..) => function.clone(),
        (None, None, Some(file), Some(line)) => format!("{}:{line}", base(file)),
        (None, Some(module), ..) => format!("{}+{:#x}", base(module), frame.offset),
        (None, None, ..) => format!("{:#x}", frame.offset),
    }
}

fn of_source(source: &Source) -> Frame {
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    Frame {
        function: some(&source.function),
        file: some(&source.file),
        type_name: some(&source.type_name),
        line: source.line,
        ..Frame::default()
    }
}

fn frames_of((module, offset): Raw, modules: &[ModuleKey], answers: &Answers) -> Vec<Frame> {
    let key = modules.get(module as usize);
    let module = key.map(|key| key.path.to_string_lossy().into_owned());
    let answer = key.and_then(|key| answers.get(key));
    let names = answer.as_ref().and_then(|answer| answer.names.get(&offset)).map_or(&[][..], |names| names);
    let last = names.len().saturating_sub(1);
    let frame = |name: names::Name, inlined| Frame {
        function: name.function,
        file: name.file,
        line: name.line,
        type_name: None,
        module: module.clone(),
        offset,
        inlined,
    };
    match names {
        [] => vec![frame(names::Name::default(), false)],
        names => names.iter().enumerate().map(|(place, name)| frame(name.clone(), place < last)).collect(),
    }
}

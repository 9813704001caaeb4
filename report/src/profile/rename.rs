//! Names for a profile that was made where some were not to be had: its frames are named again from files of elsewhere.
//!
//! Only modules without debug information are asked for: there each frame is one place in the code, and becomes several
//! where calls were inlined.

use std::collections::HashMap;

use super::model::{Frame, Process, Profile};
use crate::names::{self, Answers, ModuleKey, Name, Origin, Places, Wanted, path_of};

impl Profile {
    /// The modules of its frames.
    pub fn modules(&self) -> Vec<ModuleKey> {
        let all = self.processes.iter().flat_map(|process| {
            let used = process.frames.iter().filter(|frame| is_code(frame)).filter_map(|frame| frame.module);
            used.filter_map(|module| key(process, module))
        });
        let mut keys: Vec<ModuleKey> = all.collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Names frames that have no line yet, as far as these places have names for them.
    pub fn rename(&mut self, places: &Places) {
        let mut requests: HashMap<ModuleKey, Wanted> = HashMap::new();
        for process in &self.processes {
            for frame in process.frames.iter().filter(|frame| is_open(process, frame)) {
                let Some(key) = frame.module.and_then(|module| key(process, module)) else { continue };
                requests.entry(key).or_default().code.insert(frame.offset);
            }
        }
        if requests.is_empty() {
            return;
        }
        let answers = names::resolve(requests, places);
        self.processes.iter_mut().for_each(|process| rename(process, &answers));
    }
}

fn is_code(frame: &Frame) -> bool {
    frame.kind == "native"
}

/// Whether a frame may get another name.
fn is_open(process: &Process, frame: &Frame) -> bool {
    let module = frame.module.and_then(|module| process.modules.get(module as usize));
    is_code(frame) && module.is_some_and(|module| module.names != "debug-info")
}

fn key(process: &Process, module: u32) -> Option<ModuleKey> {
    let module = process.modules.get(module as usize).filter(|module| module.path.len() > 1)?;
    let digits =
        module.build_id.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    Some(ModuleKey { path: path_of(module.path.as_bytes()), build_id: digits.collect::<Option<_>>()? })
}

fn rename(process: &mut Process, answers: &Answers) {
    let keys: Vec<Option<ModuleKey>> = (0..process.modules.len() as u32).map(|module| key(process, module)).collect();
    let of_module = |module: u32| answers.get(keys.get(module as usize)?.as_ref()?);
    let mut frames = Vec::new();
    // By frame, its frames from now on.
    let mut now: Vec<std::ops::Range<u32>> = Vec::with_capacity(process.frames.len());
    for frame in &process.frames {
        let first = frames.len() as u32;
        let answer = frame.module.filter(|_| is_open(process, frame)).and_then(of_module);
        match answer.as_ref().and_then(|answer| answer.names.get(&frame.offset)) {
            Some(names) if is_better(names, frame) => {
                let last = names.len() - 1;
                frames.extend(names.iter().enumerate().map(|(place, name)| named(frame, name, place < last)));
            }
            _ => frames.push(frame.clone()),
        }
        now.push(first..frames.len() as u32);
    }
    for stack in &mut process.stacks {
        *stack = stack.iter().filter_map(|&frame| now.get(frame as usize)).flat_map(Clone::clone).collect();
    }
    for step in process.checks.iter_mut().flat_map(|check| &mut check.held).flat_map(|held| &mut held.path) {
        // The outermost is the function whose frame it is.
        step.frame = step.frame.and_then(|frame| now.get(frame as usize)?.clone().last());
    }
    process.frames = frames;
    for (place, module) in (0..).zip(&mut process.modules) {
        let origin = of_module(place).map(|answer| answer.origin);
        match origin {
            Some(Origin::DebugInfo) => module.names = "debug-info".into(),
            Some(Origin::Symbols) => module.names = "symbols".into(),
            _ => {}
        }
    }
}

/// Whether names say more than a frame does.
fn is_better(names: &[Name], frame: &Frame) -> bool {
    let has_function = names.last().is_some_and(|name| name.function.is_some());
    has_function && (frame.function.is_none() || names.iter().any(|name| name.line.is_some()))
}

fn named(frame: &Frame, name: &Name, inlined: bool) -> Frame {
    let Name { function, linkage, file, line } = name.clone();
    Frame { function, linkage, file, line, inlined, ..frame.clone() }
}

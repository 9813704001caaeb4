//! What source sites say: the texts that a program's own macros gave with its allocations; and the names of regions.

use std::collections::HashMap;

use memtrace_wire::layout::{TextAt, frame};
use memtrace_wire::map::U32;

use super::model::Frame;
use crate::recording::Process;

/// By the address bits of their frames.
#[derive(Default)]
pub struct Sources {
    sites: HashMap<u64, Source>,
    /// Names of regions.
    regions: HashMap<u64, String>,
    /// Instructions of Python functions.
    python: HashMap<u64, Source>,
}

/// What a program says of one of its allocations. Empty texts: it does not say.
pub struct Source {
    /// File, as the compiler was given it.
    pub file: String,
    /// Function.
    pub function: String,
    /// What the block is cast to.
    pub type_name: String,
    /// Line, from 1.
    pub line: Option<u32>,
}

impl Sources {
    /// Those of a process.
    pub fn of(process: &Process) -> Sources {
        let words = process.nodes.iter().map(|node| node.frame.get());
        let mut sources = Sources::default();
        for word in words {
            let place = frame::address(word);
            match frame::kind(word) {
                frame::SOURCE if !sources.sites.contains_key(&place) => {
                    sources.sites.extend(read(process, place).map(|source| (place, source)));
                }
                frame::TAG if !sources.regions.contains_key(&place) => {
                    sources.regions.extend(name_of_region(process, place).map(|name| (place, name)));
                }
                frame::PYTHON if !sources.python.contains_key(&place) => {
                    sources.python.extend(read_python(process, place).map(|source| (place, source)));
                }
                _ => {}
            }
        }
        sources
    }

    /// The name of a region.
    pub fn region(&self, place: u64) -> Option<String> {
        self.regions.get(&place).cloned()
    }

    /// That of a frame.
    pub fn get(&self, place: u64) -> Option<&Source> {
        self.sites.get(&place)
    }

    /// Whether a frame's function is not said: it is then that of the call.
    pub fn is_nameless(&self, place: u64) -> bool {
        self.get(place).is_some_and(|source| source.function.is_empty())
    }

    /// A Python frame as a profile has it; `kind` stays.
    pub fn python(&self, place: u64, frame: Frame) -> Frame {
        let frame = Frame { offset: 0, ..frame };
        let Some(Source { file, function, line, .. }) = self.python.get(&place) else { return frame };
        Frame { file: Some(file.clone()), function: Some(function.clone()), line: *line, ..frame }
    }

    /// The frame of a source site as a profile has it; `kind` stays, and the function where none is said.
    pub fn frame(&self, place: u64, frame: Frame) -> Frame {
        let Some(Source { file, function, type_name, line }) = self.get(place) else { return frame };
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Frame {
            // Where the recording has the text is nobody's matter.
            offset: 0,
            file: some(file),
            function: some(function).or(frame.function),
            type_name: some(type_name),
            line: *line,
            ..frame
        }
    }
}

/// The text of a Python frame: file and function, each ended by a NUL, and the line.
fn read_python(process: &Process, place: u64) -> Option<Source> {
    let at = TextAt { at: U32::new(place as u32), bytes: U32::new((place >> 32) as u32) };
    let mut parts = process.text(&at)?.split(|&byte| byte == 0).map(super::process::text);
    let (file, function) = (parts.next()?, parts.next()?);
    let line = parts.next()?.parse().ok().filter(|&line| line > 0);
    Some(Source { file, function, type_name: String::new(), line })
}

/// The name of a region, or of a marker: it ends with a NUL.
fn name_of_region(process: &Process, place: u64) -> Option<String> {
    let at = TextAt { at: U32::new(place as u32), bytes: U32::new((place >> 32) as u32) };
    Some(name(process.text(&at)?))
}

/// A name that ends with a NUL.
pub fn name(bytes: &[u8]) -> String {
    super::process::text(bytes.strip_suffix(b"\0").unwrap_or(bytes))
}

/// The text of a site: file, function and type, each ended by a NUL, and the line.
fn read(process: &Process, place: u64) -> Option<Source> {
    let at = TextAt { at: U32::new(place as u32), bytes: U32::new((place >> 32) as u32) };
    let mut parts = process.text(&at)?.split(|&byte| byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
    let (file, function, type_name) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Source { file, function, type_name, line: parts.next()?.parse().ok().filter(|&line| line > 0) })
}

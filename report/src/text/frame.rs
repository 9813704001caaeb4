//! One frame as one line: `main (leak.c:20)`, `malloc_user (libfoo.so+0x1234)`.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};

use super::escape::Safe;
use crate::profile::{Frame, Process};
use crate::views::base_name;

/// A frame, as it is told.
#[derive(Clone, Copy, Default)]
pub struct Call<'t> {
    /// Demangled.
    pub function: Option<&'t str>,
    /// Path of the source file.
    pub file: Option<&'t str>,
    /// Its line.
    pub line: Option<u32>,
    /// Path of the module.
    pub module: Option<&'t str>,
    /// Where in the module; without one an address.
    pub offset: u64,
    /// Of a source site: what the block is cast to.
    pub type_name: Option<&'t str>,
}

impl Display for Call<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Safe(self.function.unwrap_or("???")))?;
        match (self.file, self.line, self.module) {
            (Some(file), Some(line), _) => {
                write!(f, " ({}:{line}", Safe(base_name(file)))?;
                self.type_name.map_or(Ok(()), |type_name| write!(f, ", {}", Safe(type_name)))?;
                write!(f, ")")
            }
            (Some(file), None, _) => write!(f, " ({})", Safe(base_name(file))),
            (None, _, Some(module)) => write!(f, " ({}+{:#x})", Safe(base_name(module)), self.offset),
            (None, _, None) => write!(f, " ({:#x})", self.offset),
        }
    }
}

/// What stands before a frame: the first of a stack, or another.
pub fn mark(place: usize) -> &'static str {
    if place == 0 { "    at " } else { "    by " }
}

/// A frame of a process.
struct Line<'p> {
    process: &'p Process,
    frame: &'p Frame,
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let frame = self.frame;
        let function = frame.function.as_deref();
        if frame.kind == "tag" {
            return write!(f, "in region {}", Safe(function.unwrap_or("???")));
        }
        if frame.kind == "cut" {
            return write!(f, "[cut: {}]", Safe(function.unwrap_or("unknown reason")));
        }
        let module = frame.module.and_then(|module| self.process.modules.get(module as usize));
        Call {
            function,
            file: frame.file.as_deref(),
            line: frame.line,
            module: module.map(|module| module.path.as_str()),
            offset: frame.offset,
            type_name: frame.type_name.as_deref(),
        }
        .fmt(f)
    }
}

/// A frame in a line.
pub fn line_of(process: &Process, frame: &Frame) -> String {
    Line { process, frame }.to_string()
}

/// The lines of a process's frames, each made once: most frames stand in many stacks.
pub struct Lines<'p> {
    process: &'p Process,
    /// By frame, with the end of the line; empty where none was needed yet.
    made: Vec<String>,
}

impl<'p> Lines<'p> {
    /// None is made yet.
    pub fn of(process: &'p Process) -> Lines<'p> {
        Lines { process, made: vec![String::new(); process.frames.len()] }
    }

    /// The frames of a stack, leaf first, one a line.
    pub fn print(&mut self, stack: u32, to: &mut dyn Write) -> io::Result<()> {
        let process = self.process;
        let frames = process.stacks.get(stack as usize).into_iter().flatten();
        let frames = frames.filter_map(|&place| Some((place, process.frames.get(place as usize)?)));
        let mut place = 0;
        for (number, frame) in frames {
            let Some(line) = self.made.get_mut(number as usize) else { continue };
            if line.is_empty() {
                *line = format!("{}\n", Line { process, frame });
            }
            let is_region = frame.kind == "tag";
            to.write_all(if is_region { "    " } else { mark(place) }.as_bytes())?;
            to.write_all(line.as_bytes())?;
            place += usize::from(!is_region);
        }
        Ok(())
    }
}

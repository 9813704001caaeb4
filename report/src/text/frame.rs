//! One frame as one line: `main (leak.c:20)`, `malloc_user (libfoo.so+0x1234)`.

use std::fmt::{self, Display, Formatter};

use super::escape::Safe;
use crate::profile::{Frame, Process};
use crate::views::base_name;

/// A frame of a process.
pub struct Line<'p> {
    /// The process.
    pub process: &'p Process,
    /// The frame.
    pub frame: &'p Frame,
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let frame = self.frame;
        let function = frame.function.as_deref();
        if frame.kind == "cut" {
            return write!(f, "[cut: {}]", Safe(function.unwrap_or("unknown reason")));
        }
        write!(f, "{}", Safe(function.unwrap_or("???")))?;
        let module = frame.module.and_then(|module| self.process.modules.get(module as usize));
        match (&frame.file, module) {
            (Some(file), _) => match frame.line {
                Some(line) => write!(f, " ({}:{line})", Safe(base_name(file))),
                None => write!(f, " ({})", Safe(base_name(file))),
            },
            (None, Some(module)) => write!(f, " ({}+{:#x})", Safe(base_name(&module.path)), frame.offset),
            (None, None) => write!(f, " ({:#x})", frame.offset),
        }
    }
}

/// The frames of a stack, leaf first.
pub fn stack(process: &Process, stack: u32) -> impl Iterator<Item = Line<'_>> {
    let places = process.stacks.get(stack as usize).into_iter().flatten();
    let frames = places.filter_map(|&frame| process.frames.get(frame as usize));
    frames.map(move |frame| Line { process, frame })
}

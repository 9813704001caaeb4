//! Which stacks a user asked for: those with a frame that matches a pattern.

use memtrace_wire::settings::glob;

use crate::profile::{Frame, Process};

/// The stacks that are wanted.
pub struct Filter {
    /// By number; `None`: all.
    wanted: Option<Vec<bool>>,
}

impl Filter {
    /// Looks at every frame once.
    pub fn new(process: &Process, pattern: Option<&str>) -> Filter {
        let Some(pattern) = pattern else { return Filter { wanted: None } };
        let matches: Vec<bool> = process.frames.iter().map(|frame| is_match(pattern, process, frame)).collect();
        let is_wanted = |stack: &Vec<u32>| stack.iter().any(|&frame| matches.get(frame as usize) == Some(&true));
        Filter { wanted: Some(process.stacks.iter().map(is_wanted).collect()) }
    }

    /// Whether the stack with this number is wanted.
    pub fn takes(&self, stack: u32) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.get(stack as usize) == Some(&true))
    }
}

fn is_match(pattern: &str, process: &Process, frame: &Frame) -> bool {
    let module =
        frame.module.and_then(|module| process.modules.get(module as usize)).map(|module| module.path.as_str());
    let paths = [frame.file.as_deref(), module].into_iter().flatten();
    // `f` finds `f(int)` too: nobody types all parameters.
    let functions = frame.function.as_deref().map(|name| [name, name.split('(').next().unwrap_or(name)]);
    let mut names = functions.into_iter().flatten().chain(paths.flat_map(|path| [path, base_name(path)]));
    names.any(|name| glob(pattern.as_bytes(), name.as_bytes()))
}

/// What stands after the last `/`.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

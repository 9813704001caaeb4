//! heaptrack's interpreted format, as text: heaptrack_print and heaptrack_gui read it.
//!
//! ```text
//!   s string · i place in code (module, function, file, line, inlined calls) · t trace: place, parent
//!   a size, trace · + and - of an `a`: blocks that come and go (`events`)
//! ```
//!
//! Numbers are hexadecimal and count from 1; those of `a` count from 0.

mod events;

use std::collections::HashMap;
use std::io::{self, Write};

use super::calls::{Call, Calls, command};
use super::rows::by_stack;
use crate::profile::Process;

/// Version 1.4.0, and of its file format the last one with a string to the end of its line.
const VERSION: &str = "v 10400 2";

/// Writes one process.
pub fn write(process: &Process, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "{VERSION}\nX {}\nI 1000 0", command(process))?;
    let calls = Calls::of(process);
    let mut tables = Tables::default();
    let mut traces = Vec::new();
    for (stack, row) in by_stack(process) {
        traces.push((tables.trace(process, &calls, stack, to)?, row));
    }
    events::write(process, &traces, to)
}

/// What was written already, by what it is.
#[derive(Default)]
struct Tables {
    strings: HashMap<String, usize>,
    places: HashMap<Vec<u32>, usize>,
    traces: HashMap<(usize, usize), usize>,
}

impl Tables {
    fn string(&mut self, text: &str, to: &mut dyn Write) -> io::Result<usize> {
        if text.is_empty() {
            return Ok(0);
        }
        if let Some(&number) = self.strings.get(text) {
            return Ok(number);
        }
        writeln!(to, "s {text}")?;
        let number = self.strings.len() + 1;
        self.strings.insert(text.to_owned(), number);
        Ok(number)
    }

    /// The number of a stack's trace; the place that allocated is its last.
    fn trace(&mut self, process: &Process, calls: &Calls<'_>, stack: u32, to: &mut dyn Write) -> io::Result<usize> {
        let mut parent = 0;
        for frames in calls.places(stack).into_iter().rev() {
            let place = self.place(process, calls, frames, to)?;
            let next = self.traces.len() + 1;
            parent = match self.traces.get(&(place, parent)) {
                Some(&trace) => trace,
                None => {
                    writeln!(to, "t {place:x} {parent:x}")?;
                    self.traces.insert((place, parent), next);
                    next
                }
            };
        }
        Ok(parent)
    }

    fn place(
        &mut self,
        process: &Process,
        calls: &Calls<'_>,
        frames: Vec<u32>,
        to: &mut dyn Write,
    ) -> io::Result<usize> {
        if let Some(&number) = self.places.get(&frames) {
            return Ok(number);
        }
        let of_place: Vec<&Call<'_>> = frames.iter().filter_map(|&frame| calls.get(frame)).collect();
        let outermost = of_place.last();
        let module = outermost.and_then(|call| process.modules.get(call.module? as usize));
        let module =
            self.string(&module.map(|module| crate::text::Safe(&module.path).to_string()).unwrap_or_default(), to)?;
        let mut line = format!("i {:x} {module:x}", outermost.map_or(0, |call| call.address));
        for call in of_place {
            let function = self.string(&call.name, to)?;
            let file = self.string(call.file.as_deref().unwrap_or_default(), to)?;
            line.push_str(&format!(" {function:x} {file:x} {:x}", call.line));
        }
        writeln!(to, "{line}")?;
        let number = self.places.len() + 1;
        self.places.insert(frames, number);
        Ok(number)
    }
}

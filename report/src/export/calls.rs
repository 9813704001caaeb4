//! Frames as other tools show them: a name, a place, an address, each made once and harmless.
//!
//! A frame without a name is told by its module and offset. Regions of the program stand outside its calls, where other
//! tools look for what a sample belongs to.

use crate::profile::{Frame, Process};
use crate::text::Safe;
use crate::views;

/// One frame.
#[derive(Clone, PartialEq, Debug)]
pub struct Call<'p> {
    /// The function, or what stands for it; without control characters.
    pub name: String,
    /// The function's symbol, where that is another name.
    pub symbol: Option<&'p str>,
    /// Path of the source file.
    pub file: Option<String>,
    /// Line, from 1; 0: not known.
    pub line: u32,
    /// Place in `modules`.
    pub module: Option<u32>,
    /// Where it was in memory; 0: no machine code.
    pub address: u64,
    /// Its code was inlined into that of the next frame.
    pub is_inlined: bool,
    /// Whether the name is a function's.
    pub is_named: bool,
    /// A region, not a call.
    is_region: bool,
}

/// The frames of a process.
pub struct Calls<'p> {
    process: &'p Process,
    calls: Vec<Call<'p>>,
}

impl<'p> Calls<'p> {
    /// All of them.
    pub fn of(process: &'p Process) -> Calls<'p> {
        Calls { process, calls: process.frames.iter().map(|frame| call(process, frame)).collect() }
    }

    /// One of them.
    pub fn get(&self, frame: u32) -> Option<&Call<'p>> {
        self.calls.get(frame as usize)
    }

    /// The numbers of a stack's frames, innermost first.
    pub fn stack(&self, stack: u32) -> Vec<u32> {
        let frames = self.process.stacks.get(stack as usize).into_iter().flatten().copied();
        let is_region = |frame: &u32| self.get(*frame).is_some_and(|call| call.is_region);
        let (regions, mut calls): (Vec<u32>, Vec<u32>) = frames.partition(is_region);
        calls.extend(regions);
        calls
    }

    /// The same by place in the code: inlined calls with the one that they are in.
    pub fn places(&self, stack: u32) -> Vec<Vec<u32>> {
        let mut places = vec![Vec::new()];
        for frame in self.stack(stack) {
            places.last_mut().expect("one is there").push(frame);
            if !self.get(frame).is_some_and(|call| call.is_inlined) {
                places.push(Vec::new());
            }
        }
        places.retain(|frames| !frames.is_empty());
        places
    }
}

fn call<'p>(process: &'p Process, frame: &'p Frame) -> Call<'p> {
    let safe = |text: &str| Safe(text).to_string();
    let function = frame.function.as_deref();
    let name = match frame.kind.as_str() {
        "tag" => format!("[region {}]", safe(function.unwrap_or("???"))),
        "cut" => format!("[cut: {}]", safe(function.unwrap_or("unknown reason"))),
        _ => safe(&views::function(process, frame)),
    };
    let module = frame.module.and_then(|module| process.modules.get(module as usize));
    let is_code = frame.kind == "native";
    Call {
        name,
        symbol: frame.linkage.as_deref(),
        file: frame.file.as_deref().map(safe),
        line: frame.line.unwrap_or(0),
        module: frame.module,
        address: if is_code { module.map_or(0, |module| module.bias).wrapping_add(frame.offset) } else { 0 },
        is_inlined: frame.inlined,
        is_named: function.is_some(),
        is_region: frame.kind == "tag",
    }
}

/// What a process is called where several are in one file: `app (pid 12)`.
pub fn title(process: &Process) -> String {
    let name = match views::base_name(&process.exe) {
        "" => "(unknown program)",
        name => name,
    };
    format!("{} (pid {})", Safe(name), process.pid)
}

/// The command line, as one harmless line.
pub fn command(process: &Process) -> String {
    let words = process.arguments.join(" ");
    Safe(if words.is_empty() { &process.exe } else { &words }).to_string()
}

/// What a thread is called: `worker (tid 7)`.
pub fn thread(process: &Process, thread: Option<u32>) -> Option<String> {
    let thread = process.threads.get(thread? as usize)?;
    let others = if thread.uses > 1 { " and others" } else { "" };
    Some(format!("{}{others} (tid {})", Safe(&thread.name), thread.tid))
}

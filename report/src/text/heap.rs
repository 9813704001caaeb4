//! Heap errors, for people: what was wrong, with the stacks of the call, the allocation and the first free.

use std::io::{self, Write};

use memtrace_wire::heap::Kind;

use super::Request;
use super::escape::Safe;
use super::frame::Lines;
use super::number::{bytes, count, thousands};
use crate::profile::heap::{HeapError, by_kind, releaser_for};
use crate::profile::{Process, Profile};

/// All heap errors of a process, each with its stacks.
pub fn print(process: &Process, request: &Request, to: &mut dyn Write) -> io::Result<()> {
    let (on, off) = request.style.strong();
    let shown = request.choice.top.unwrap_or(usize::MAX);
    let mut lines = Lines::of(process);
    for error in process.heap_errors.iter().take(shown) {
        let Some(kind) = kind_of(error) else { continue };
        writeln!(to, "\n{on}{}{off}", head(kind, error))?;
        if let Some(stack) = error.stack {
            lines.print(stack, to)?;
        }
        if let Some(stack) = error.freed {
            writeln!(to, "  freed{} by", if kind == Kind::DoubleFree { " first" } else { "" })?;
            lines.print(stack, to)?;
        } else if kind == Kind::DoubleFree {
            writeln!(to, "  where it was freed first: set MEMTRACE_FREE_STACKS=1")?;
        }
        if let (Some(stack), Some(allocator)) = (error.allocated, &error.allocator) {
            writeln!(to, "  allocated by {}", Safe(allocator))?;
            lines.print(stack, to)?;
        }
    }
    let more = process.heap_errors.len().saturating_sub(shown);
    if more > 0 {
        writeln!(to, "\n{} not shown", count(more as u64, "more heap error"))?;
    }
    Ok(())
}

/// What is wrong, in a line, or what a note says; `None`: a kind that is not known to this memtrace.
pub fn head_of_any(error: &HeapError) -> Option<String> {
    kind_of(error).map(|kind| head(kind, error))
}

/// What is wrong, in a line; `None`: nothing, or a kind that is not known to this memtrace.
pub fn head_of(error: &HeapError) -> Option<String> {
    kind_of(error).filter(|kind| !kind.is_note()).map(|kind| head(kind, error))
}

fn kind_of(error: &HeapError) -> Option<Kind> {
    Kind::ALL.iter().copied().find(|kind| kind.key() == error.kind)
}

/// What is wrong, in a line.
fn head(kind: Kind, error: &HeapError) -> String {
    let times = if error.count == 1 { String::new() } else { format!(", {} times", thousands(error.count)) };
    let by = if error.function.is_empty() { String::new() } else { format!(" by {}", Safe(&error.function)) };
    let block = error.bytes.map_or_else(|| "a block".to_owned(), |size| format!("a block of {}", bytes(size)));
    let allocator = error.allocator.as_deref().unwrap_or("malloc");
    let given = error.given.unwrap_or(0);
    let what = match kind {
        Kind::DoubleFree => format!("{block} is freed again{by}"),
        Kind::InteriorFree => {
            let offset = error.offset.unwrap_or(0);
            format!("a pointer {} into {block} is freed{by}", bytes(offset))
        }
        Kind::StackFree => format!("memory on the stack is freed{by}"),
        Kind::GlobalFree => format!("memory of a program or library is freed{by}"),
        Kind::UnmappedFree => format!("memory that is not there is freed{by}: {:#x}", error.address),
        Kind::MismatchedFree => {
            format!("{block} of {} is freed{by}, expected {}", Safe(allocator), releaser_for(allocator))
        }
        Kind::MismatchedSize => format!("{block} is freed{by} as one of {}", bytes(given)),
        Kind::MismatchedAlignment => format!("{block} of {} is freed{by} with another alignment", Safe(allocator)),
        Kind::WriteAfterFree | Kind::WritePastEnd => {
            let offset = error.offset.unwrap_or(0);
            let found = if by.is_empty() { String::new() } else { format!(", found{by}") };
            let which = if kind == Kind::WritePastEnd { block } else { format!("freed {}", &block[2..]) };
            format!("{} changed from offset {} of {which}{found}", bytes(given), thousands(offset))
        }
        Kind::CrashOnFreed => match error.offset.unwrap_or(0) {
            0 => format!("{:#x} was the start of {block}", error.address),
            offset => format!("{:#x} was {} into {block}", error.address, bytes(offset)),
        },
        Kind::ZeroSize => format!("no bytes are asked for{by}"),
        Kind::ReallocZero => format!("a block is given no bytes{by}"),
    };
    format!("{}{times}: {what}", kind.text())
}

/// The sums of a process, in a line; `None`: there is nothing to say.
pub fn line(process: &Process) -> Option<String> {
    sums(by_kind(process))
}

/// The sums of a run, in a line.
pub fn line_of_all(profile: &Profile) -> Option<String> {
    let mut all: Vec<(Kind, u64)> = Vec::new();
    for (kind, sum) in profile.processes.iter().flat_map(by_kind) {
        match all.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, known)) => *known += sum,
            None => all.push((kind, sum)),
        }
    }
    all.sort_by_key(|&(kind, _)| kind as u32);
    sums(all)
}

fn sums(kinds: Vec<(Kind, u64)>) -> Option<String> {
    let parts: Vec<String> = kinds.iter().map(|&(kind, sum)| format!("{} {}", kind.key(), thousands(sum))).collect();
    (!parts.is_empty()).then(|| format!("heap errors: {}", parts.join(", ")))
}

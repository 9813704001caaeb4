//! Heap errors in a profile.

use std::collections::HashMap;
use std::path::Path;

use memtrace_wire::heap::{Kind, NEW, NEW_ARRAY, Releaser};
use memtrace_wire::layout;
use memtrace_wire::op::Op;
use serde::{Deserialize, Serialize};

use super::model::{Frame, Process};
use super::stacks::Stacks;
use super::time::rfc3339;
use crate::json::{from_hex, to_hex};
use crate::{names, recording};

/// A heap error, as often as it came from one stack.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct HeapError {
    /// `double-free`, `interior-free`, … (`memtrace_wire::heap::Kind`).
    pub kind: String,
    /// The function that was called; empty: it was found by no call.
    pub function: String,
    /// How often.
    pub count: u64,
    /// When it was the first time: RFC 3339, UTC.
    pub time: String,
    /// Place in `threads`.
    pub thread: Option<u32>,
    /// Place in `stacks`: the call.
    pub stack: Option<u32>,
    /// Place in `stacks`: where the block was allocated.
    pub allocated: Option<u32>,
    /// The function that allocated it.
    pub allocator: Option<String>,
    /// Place in `stacks`: where it was freed first.
    pub freed: Option<u32>,
    /// The pointer, or the first byte that was written to.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub address: u64,
    /// Bytes from the block's start to `address`.
    pub offset: Option<u64>,
    /// Bytes that the block was asked for with.
    pub bytes: Option<u64>,
    /// The size that was given instead; of a write, bytes that differ.
    pub given: Option<u64>,
}

/// The rows of a process; with `Stacks::named` behind it, those whose stacks show that they are none are left out.
pub fn heap_errors(process: &recording::Process, stacks: &Stacks) -> Vec<HeapError> {
    let whole = process.heap_errors.iter().filter(|row| row.ready.get() == 1);
    whole.filter_map(|row| heap_error(process, stacks, row)).collect()
}

fn heap_error(process: &recording::Process, stacks: &Stacks, row: &layout::HeapError) -> Option<HeapError> {
    let kind = Kind::from_number(row.kind.get())?;
    let site = process.sites.get(row.site.get() as usize).filter(|_| row.site.get() > 1);
    let (block, bytes) = (row.block.get(), row.bytes.get());
    let stack = |node: u32| if node == 0 { None } else { stacks.number(node) };
    let function = match kind.is_note() {
        true => Op::from_number(row.function.get()).map_or("unknown", Op::name),
        false => Releaser(row.function.get()).name(),
    };
    let has_given = matches!(kind, Kind::MismatchedSize | Kind::WriteAfterFree | Kind::WritePastEnd);
    Some(HeapError {
        kind: kind.key().into(),
        function: function.into(),
        count: row.count.get(),
        time: rfc3339(row.time_ns.get()),
        thread: Some(row.thread.get()).filter(|&thread| (thread as usize) < process.threads.len()),
        stack: stack(row.node.get()),
        allocated: site.and_then(|site| stack(site.node.get())),
        allocator: site.and_then(|site| Op::from_number(site.op.get())).map(|op| op.name().to_owned()),
        freed: stack(row.freed_node.get()),
        address: row.address.get(),
        offset: (block != 0).then(|| row.address.get().saturating_sub(block)),
        bytes: (bytes != 0).then_some(bytes),
        given: has_given.then(|| row.given.get()),
    })
}

/// The nodes of their stacks.
pub fn nodes(process: &recording::Process) -> impl Iterator<Item = u32> + '_ {
    let whole = process.heap_errors.iter().filter(|row| row.ready.get() == 1);
    let site = |row: &layout::HeapError| process.sites.get(row.site.get() as usize).map_or(0, |site| site.node.get());
    whole.flat_map(move |row| [row.node.get(), row.freed_node.get(), site(row)]).filter(|&node| node != 0)
}

/// Whether a mismatch is none: malloc or free was called by an operator that is linked into a program or library. Such
/// an operator is often left by a jump, without a frame; its symbol tells, where the file has any.
pub fn is_of_own_operator(process: &Process, error: &HeapError) -> bool {
    if !error.kind.starts_with("mismatched") {
        return false;
    }
    let innermost = |stack: Option<u32>| -> Option<&Frame> {
        let frames = process.stacks.get(stack? as usize)?;
        process.frames.get(*frames.first()? as usize)
    };
    [error.stack, error.allocated].into_iter().filter_map(innermost).any(|frame| {
        let function = frame.function.as_deref().unwrap_or_default();
        let module = frame.module.and_then(|place| process.modules.get(place as usize));
        function.starts_with("operator new")
            || function.starts_with("operator delete")
            || module.is_some_and(|module| has_operators(Path::new(&module.path)))
    })
}

/// Whether a program, or a library that is not the C++ library itself, has an operator of its own.
fn has_operators(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_cpp_library = ["libstdc++.so", "libc++.so", "libc++abi.so"].iter().any(|known| name.starts_with(known));
    !is_cpp_library && ["_Znwm", "_ZdlPv"].iter().any(|name| names::exported(path, name).is_some())
}

/// Heap errors, by kind, in the order of kinds; notes are none.
pub fn by_kind(process: &Process) -> Vec<(Kind, u64)> {
    let mut sums: HashMap<&str, u64> = HashMap::new();
    for error in &process.heap_errors {
        *sums.entry(&error.kind).or_default() += error.count;
    }
    Kind::ALL.iter().filter_map(|&kind| Some((kind, *sums.get(kind.key())?))).collect()
}

/// Whether a process has errors that are none of the notes.
pub fn has_errors(process: &Process) -> bool {
    by_kind(process).iter().any(|(kind, _)| !kind.is_note())
}

/// The word for the functions that may free what a function allocated.
pub fn releaser_for(allocator: &str) -> &'static str {
    match Op::named(allocator).map(memtrace_wire::heap::family_of) {
        Some(family) if family & NEW_ARRAY != 0 => "operator delete[]",
        Some(family) if family & NEW != 0 => "operator delete",
        _ => "free",
    }
}

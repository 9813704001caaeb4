//! Names for addresses: function, file and line, with inlined calls, for many modules at once.
//!
//! ```text
//!   requests ──queue──▶ a thread: ElfFile ─▶ debug files ─▶ Lines (DWARF) ─┐
//!   (module, addresses) a thread:                        └▶ Symbols ───────┴▶ answers, by module
//! ```
//!
//! Everything is read from files, outside the target. A module is asked for once, whatever number of processes
//! had it loaded, and its debug information is forgotten before the next module's is read.
//!
//! Invariants:
//! - a file whose build-id is not the one that ran names nothing;
//! - the answer does not depend on which thread gave it, nor when.

mod debug_files;
mod demangle;
mod elf;
mod lines;
mod symbols;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::thread;

use dashmap::DashMap;
use parking_lot::Mutex;

pub use debug_files::Places;
pub use demangle::cut;
use elf::ElfFile;
use lines::{Lines, Sections};
use symbols::Symbols;

/// Modules named at the same time: each holds its debug information in memory.
const THREADS_MAX: usize = 4;

/// Which module: its file as the target saw it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ModuleKey {
    /// Path of the file.
    pub path: PathBuf,
    /// Its NT_GNU_BUILD_ID then; empty where it had none.
    pub build_id: Vec<u8>,
}

/// One frame's name. Several stand at one address where calls were inlined, innermost first.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Name {
    /// Demangled.
    pub function: Option<String>,
    /// Path of the source file.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
}

/// Where a module's names come from, or why there are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Debug information, with the symbol table for what it does not cover.
    DebugInfo,
    /// Symbol tables only.
    Symbols,
    /// A file without either.
    Nothing,
    /// No such file, or not one that can be read.
    Unreadable,
    /// The file is not the one that ran.
    Changed,
}

/// What is known of one module.
#[derive(Debug)]
pub struct Answer {
    /// Where the names come from.
    pub origin: Origin,
    /// The names of each address that has one.
    pub names: HashMap<u64, Vec<Name>>,
}

/// What is known, by module.
pub type Answers = DashMap<ModuleKey, Answer>;

/// Names the addresses (as the files count them) of all modules.
pub fn resolve(requests: HashMap<ModuleKey, BTreeSet<u64>>, places: &Places) -> Answers {
    let answers = DashMap::new();
    let mut requests: Vec<_> = requests.into_iter().collect();
    // Most addresses last, so that they are taken first and no thread begins the longest work at the end.
    requests.sort_by_key(|(key, addresses)| (addresses.len(), key.clone()));
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX).min(requests.len());
    let queue = Mutex::new(requests);
    let work = || {
        loop {
            // A statement of its own: the lock ends with it, before the module is read.
            let next = queue.lock().pop();
            let Some((key, addresses)) = next else { break };
            let answer = resolve_module(&key, &addresses, places);
            answers.insert(key, answer);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be had, this one does all the work.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    answers
}

fn resolve_module(key: &ModuleKey, addresses: &BTreeSet<u64>, places: &Places) -> Answer {
    let nothing = |origin| Answer { origin, names: HashMap::new() };
    let Some(file) = ElfFile::open(&key.path) else { return nothing(Origin::Unreadable) };
    let Some(module) = file.view() else { return nothing(Origin::Unreadable) };
    if !is_same(&key.build_id, module.build_id()) {
        return nothing(Origin::Changed);
    }
    let separate = debug_files::find(&key.path, &module, places);
    let separate = separate.as_ref().and_then(|(path, file)| Some((path.as_path(), file.view()?)));
    let (debug_path, debug) = match &separate {
        Some((path, view)) if !module.has_lines() => (*path, view),
        _ => (key.path.as_path(), &module),
    };
    let shared = debug_files::find_shared(debug_path, debug, places);
    let shared = shared.as_ref().and_then(ElfFile::view);
    let (sections, shared) = (Sections::of(debug), shared.as_ref().map(Sections::of));
    let lines = Lines::load(&sections, shared.as_ref());
    let symbols = Symbols::gather([Some(&module), separate.as_ref().map(|found| &found.1)].into_iter().flatten());
    let origin = match (&lines, symbols.is_empty()) {
        (Some(_), _) => Origin::DebugInfo,
        (None, false) => Origin::Symbols,
        (None, true) => Origin::Nothing,
    };
    let names = addresses.iter().filter_map(|&address| {
        let names = name(address, lines.as_ref(), &symbols);
        (!names.is_empty()).then_some((address, names))
    });
    Answer { origin, names: names.collect() }
}

/// The names at one address: from the debug information, and the outermost function from the symbols if that has none.
fn name(address: u64, lines: Option<&Lines<'_>>, symbols: &Symbols) -> Vec<Name> {
    let mut names = lines.map_or_else(Vec::new, |lines| lines.names(address));
    let symbol = || symbols.find(address).map(demangle::demangle);
    match names.last_mut() {
        Some(outermost) if outermost.function.is_none() => outermost.function = symbol(),
        Some(_) => {}
        None => names.extend(symbol().map(|function| Name { function: Some(function), ..Name::default() })),
    }
    names
}

/// Whether the file's build-id is the recorded one. The recording keeps the first 32 bytes.
fn is_same(recorded: &[u8], found: &[u8]) -> bool {
    match recorded.len() {
        32.. => found.starts_with(recorded),
        _ => found == recorded,
    }
}

/// A path as the target gave it.
pub fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes)).to_path_buf()
}

//! Names for addresses: function, file and line, with inlined calls, for many modules at once.
//!
//! ```text
//!   requests ──queue──▶ a thread: ElfFile ─▶ debug files ─▶ lines (DWARF) ─┐
//!   (module, addresses) a thread:                        └▶ symbols ───────┴▶ answers, by module
//! ```
//!
//! Everything is read from files, outside the target. A module is asked for once, whatever number of processes
//! had it loaded, and its debug information is forgotten before the next module's is read.
//!
//! Invariants:
//! - a file whose build-id is not the one that ran names nothing;
//! - the answer does not depend on which thread gave it, nor when.

mod content;
mod debug_files;
mod demangle;
mod elf;
mod lines;
mod symbols;
mod units;

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
use symbols::Symbols;

/// Modules named at the same time: each holds its debug information in memory.
const THREADS_MAX: usize = 4;
/// Fewer addresses are named sooner than threads are started.
const ADDRESSES_MIN: usize = 1 << 10;

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
    /// The file is the one that ran, and no address of it was asked for.
    Unasked,
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
    let mut requests: Vec<_> = requests.into_iter().collect();
    // Most addresses last, so that they are taken first and no thread begins the longest work at the end.
    requests.sort_by_key(|(key, addresses)| (addresses.len(), key.clone()));
    let threads = match requests.iter().map(|(_, addresses)| addresses.len()).sum::<usize>() {
        ..ADDRESSES_MIN => 1,
        _ => thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX).min(requests.len()),
    };
    // By itself the map would ask the system for the number of processors, which takes twenty calls.
    let answers = DashMap::with_shard_amount(2 * THREADS_MAX);
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
    let Some(module) = ElfFile::open(&key.path) else { return nothing(Origin::Unreadable) };
    let build_id = module.build_id();
    if !is_same(&key.build_id, &build_id) {
        return nothing(Origin::Changed);
    }
    if addresses.is_empty() {
        return nothing(Origin::Unasked);
    }
    let separate = debug_files::find(&key.path, &module, &build_id, places);
    let (debug_path, debug) = match &separate {
        Some((path, file)) if !module.has_lines() => (path.as_path(), file),
        _ => (key.path.as_path(), &module),
    };
    let shared = debug_files::find_shared(debug_path, debug, places);
    let lines = lines::names(debug, shared.as_ref(), addresses);
    let has_lines = lines.is_some();
    let mut names = lines.unwrap_or_default();
    let is_named = |names: &Vec<Name>| names.last().is_some_and(|outermost| outermost.function.is_some());
    if has_lines && addresses.iter().all(|address| names.get(address).is_some_and(is_named)) {
        return Answer { origin: Origin::DebugInfo, names };
    }
    let files = [Some(&module), separate.as_ref().map(|found| &found.1)];
    let tables: Vec<_> = files.into_iter().flatten().map(|file| (file, file.symbol_tables())).collect();
    let symbols = Symbols::gather(&tables);
    for &address in addresses {
        // What the debug information has no function for has the symbol's.
        if !names.get(&address).is_some_and(is_named)
            && let Some(symbol) = symbols.find(address)
        {
            let names = names.entry(address).or_default();
            if names.is_empty() {
                names.push(Name::default());
            }
            names.last_mut().expect("one is there").function = Some(demangle::demangle(symbol));
        }
    }
    let origin = match (has_lines, symbols.is_empty()) {
        (true, _) => Origin::DebugInfo,
        (false, false) => Origin::Symbols,
        (false, true) => Origin::Nothing,
    };
    Answer { origin, names }
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

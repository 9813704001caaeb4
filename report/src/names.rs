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

mod allocator;
mod content;
mod debug_files;
mod demangle;
mod elf;
mod known;
mod lines;
mod needed;
mod service;
mod symbols;
mod units;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use dashmap::DashMap;
use parking_lot::Mutex;

pub use allocator::linked_in;
pub use debug_files::{Places, find as debug_file};
pub use demangle::{cut, demangle};
pub use elf::ElfFile;
use elf::SymbolTable;
pub use known::Known;
pub use needed::{Needed, needed};
pub use service::is_set_up as asks_service;
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
    /// The function's symbol, where that is another name; only of code that was not inlined.
    pub linkage: Option<Arc<str>>,
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

/// The addresses of a module that names are wanted for, as its file counts.
#[derive(Default, Debug)]
pub struct Wanted {
    /// Of code.
    pub code: BTreeSet<u64>,
    /// Of data.
    pub data: BTreeSet<u64>,
    /// Of functions the symbols too, from the tables: debug information has none for those of one file.
    pub symbols: bool,
}

/// A piece of data that an address lies in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datum {
    /// Demangled.
    pub name: String,
    /// How far behind its start the address is.
    pub offset: u64,
}

/// What is known of one module.
#[derive(Debug)]
pub struct Answer {
    /// Where the names of code come from.
    pub origin: Origin,
    /// The names of each address of code that has one.
    pub names: HashMap<u64, Vec<Name>>,
    /// The data at each address of data that is known.
    pub data: HashMap<u64, Datum>,
}

/// What is known, by module.
pub type Answers = DashMap<ModuleKey, Answer>;

/// Names the addresses of all modules.
pub fn resolve(requests: HashMap<ModuleKey, Wanted>, places: &Places) -> Answers {
    let mut requests: Vec<_> = requests.into_iter().collect();
    // Most addresses last, so that they are taken first and no thread begins the longest work at the end.
    requests.sort_by_key(|(key, wanted)| (wanted.code.len(), key.clone()));
    let threads = match requests.iter().map(|(_, wanted)| wanted.code.len()).sum::<usize>() {
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
            let Some((key, wanted)) = next else { break };
            let answer = resolve_module(&key, &wanted, places);
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

fn resolve_module(key: &ModuleKey, wanted: &Wanted, places: &Places) -> Answer {
    let addresses = &wanted.code;
    let nothing = |origin| Answer { origin, names: HashMap::new(), data: HashMap::new() };
    let found = Files::of(key, places, !addresses.is_empty() || !wanted.data.is_empty());
    let Files { module, separate } = match found {
        Ok(files) => files,
        Err(origin) => return nothing(origin),
    };
    if addresses.is_empty() && wanted.data.is_empty() {
        return nothing(Origin::Unasked);
    }
    let files = [&module, &separate].map(|found| found.as_ref().map(|found| &found.1));
    let tables = || files.into_iter().flatten().map(|file| (file, file.symbol_tables())).collect::<Vec<_>>();
    let data = data(&wanted.data, tables);
    if addresses.is_empty() {
        return Answer { data, ..nothing(Origin::Unasked) };
    }
    let with_lines = [&module, &separate].into_iter().flatten().find(|found| found.1.has_lines());
    let lines = with_lines.and_then(|(path, debug)| {
        let shared = debug_files::find_shared(path, debug, places);
        lines::names(debug, shared.as_ref().map(|found| &found.1), addresses)
    });
    let has_lines = lines.is_some();
    let mut names = lines.unwrap_or_default();
    let is_named = |names: &Vec<Name>| names.last().is_some_and(|outermost| outermost.function.is_some());
    if has_lines && !wanted.symbols && addresses.iter().all(|address| names.get(address).is_some_and(is_named)) {
        return Answer { origin: Origin::DebugInfo, names, data };
    }
    let tables = tables();
    let symbols = Symbols::of_code(&tables);
    for &address in addresses {
        if !wanted.symbols && names.get(&address).is_some_and(is_named) {
            continue;
        }
        let Some(symbol) = symbols.find(address) else { continue };
        let names = names.entry(address).or_default();
        if names.is_empty() {
            names.push(Name::default());
        }
        let outermost = names.last_mut().expect("one is there");
        // What the debug information has no function for has the symbol's.
        let function = outermost.function.take().unwrap_or_else(|| demangle(symbol));
        outermost.linkage = demangle::linkage(symbol, &function);
        outermost.function = Some(function);
    }
    let origin = match (has_lines, symbols.is_empty()) {
        (true, _) => Origin::DebugInfo,
        (false, false) => Origin::Symbols,
        (false, true) => Origin::Nothing,
    };
    Answer { origin, names, data }
}

/// The files that stand for a module.
struct Files {
    /// Its own; nothing: only its debug file is to be had.
    module: Option<(PathBuf, ElfFile)>,
    /// Its debug file.
    separate: Option<(PathBuf, ElfFile)>,
}

impl Files {
    /// Those of a module; `Err`: there are none, and why. The debug file is looked for only where it is `wanted`.
    fn of(key: &ModuleKey, places: &Places, is_wanted: bool) -> Result<Files, Origin> {
        match places.module(&key.path, &key.build_id) {
            Ok((path, file)) => {
                let separate = is_wanted.then(|| debug_files::find(&path, &key.path, &file, places)).flatten();
                Ok(Files { module: Some((path, file)), separate })
            }
            Err(why) => {
                let by_id = || debug_files::of_build_id(&key.build_id, places);
                let separate = is_wanted.then(|| by_id().or_else(|| debug_files::of_service(&key.build_id, places)));
                let separate = separate.flatten().ok_or(why)?;
                Ok(Files { module: None, separate: Some(separate) })
            }
        }
    }
}

/// The data at each address that a symbol stands for.
fn data<'m>(
    addresses: &BTreeSet<u64>,
    tables: impl FnOnce() -> Vec<(&'m ElfFile, Vec<SymbolTable>)>,
) -> HashMap<u64, Datum> {
    if addresses.is_empty() {
        return HashMap::new();
    }
    let tables = tables();
    let symbols = Symbols::of_data(&tables);
    let datum = |&address: &u64| {
        let (name, start) = symbols.find_with_start(address)?;
        Some((address, Datum { name: demangle(name), offset: address - start }))
    };
    addresses.iter().filter_map(datum).collect()
}

/// The data at an address of a file, as the file counts.
pub fn datum(path: &Path, address: u64) -> Option<Datum> {
    let module = ElfFile::open(path)?;
    let separate = debug_files::find(path, path, &module, &Places::system());
    let files = [Some(&module), separate.as_ref().map(|found| &found.1)];
    let tables = || files.into_iter().flatten().map(|file| (file, file.symbol_tables())).collect();
    data(&BTreeSet::from([address]), tables).remove(&address)
}

/// Whether the file's build-id is the recorded one. The recording keeps the first 32 bytes.
fn is_same(recorded: &[u8], found: &[u8]) -> bool {
    match recorded.len() {
        32.. => found.starts_with(recorded),
        _ => found == recorded,
    }
}

/// The build-id of a file; `None`: it is no module.
#[cfg(any(test, feature = "fuzzing"))]
pub fn build_id(path: &Path) -> Option<Vec<u8>> {
    ElfFile::open(path).map(|file| file.build_id())
}

/// Where a file has a function, or data, of this name, as the file counts.
pub fn exported(path: &Path, name: &str) -> Option<u64> {
    let file = ElfFile::open(path)?;
    let tables = file.symbol_tables();
    tables.iter().find_map(|table| {
        let mut symbols = file.functions(table).chain(file.data(table));
        symbols.find(|symbol| symbol.name == name.as_bytes()).map(|symbol| symbol.address)
    })
}

/// A path as the target gave it.
pub fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes)).to_path_buf()
}

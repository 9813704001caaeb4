//! Function, file and line of addresses, from DWARF, inlined calls unfolded.
//!
//! Most files have far more debug information than the addresses need, so it is tried with their units alone. Where
//! one of those refers to another unit, or is damaged, all of it is read.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use addr2line::{Context, Location};
use gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};

use super::Name;
use super::content::whole;
use super::demangle::{cut, demangle, linkage};
use super::elf::ElfFile;
use super::units;

/// Longer paths than the kernel takes are cut.
const PATH_BYTES_MAX: usize = 4 << 10;
/// Calls inlined into each other at one address; compilers stop far earlier.
const INLINED_MAX: usize = 1 << 10;
/// The sections that names are in.
const SECTIONS: [SectionId; 10] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
];

type Reader<'s> = EndianSlice<'s, LittleEndian>;
/// Names by address, only of addresses that have some.
type Names = HashMap<u64, Vec<Name>>;

/// The names that a file's debug information has for the addresses. What it shares with others is in `shared`.
/// `None`: there is no debug information.
pub fn names(file: &ElfFile, shared: Option<&ElfFile>, addresses: &BTreeSet<u64>) -> Option<Names> {
    let shared = shared.map(|shared| Sections::complete(shared, HashMap::new()));
    let near = units::near(file, addresses).and_then(|near| {
        let sections = Sections::complete(file, HashMap::from(near));
        Lines::load(&sections, shared.as_ref())?.all(addresses).ok()
    });
    near.or_else(|| {
        let sections = Sections::complete(file, HashMap::new());
        let is_there = sections.contents.get(&SectionId::DebugInfo).is_some_and(|content| !content.is_empty());
        let lines = is_there.then(|| Lines::load(&sections, shared.as_ref()))??;
        Some(lines.all(addresses).unwrap_or_else(|found| found))
    })
}

/// A file's debug sections, unpacked.
struct Sections {
    contents: HashMap<SectionId, Vec<u8>>,
}

impl Sections {
    /// Reads what is not there yet; sections that the file does not have are empty.
    fn complete(file: &ElfFile, mut contents: HashMap<SectionId, Vec<u8>>) -> Sections {
        for id in SECTIONS {
            contents.entry(id).or_insert_with(|| file.stored(id.name()).and_then(whole).unwrap_or_default());
        }
        Sections { contents }
    }

    fn dwarf(&self) -> Result<Dwarf<Reader<'_>>, gimli::Error> {
        Dwarf::load(|id| {
            let content = self.contents.get(&id).map_or(&[][..], |content| content);
            Ok(EndianSlice::new(content, LittleEndian))
        })
    }
}

/// A function's name for people, and its symbol.
type Function = (String, Option<Arc<str>>);

/// The debug information of one module.
struct Lines<'s> {
    context: Context<Reader<'s>>,
    /// Demangled once: many frames are of one function.
    functions: RefCell<HashMap<&'s [u8], Function>>,
}

impl<'s> Lines<'s> {
    fn load(sections: &'s Sections, shared: Option<&'s Sections>) -> Option<Lines<'s>> {
        let mut dwarf = sections.dwarf().ok()?;
        if let Some(shared) = shared {
            dwarf.set_sup(shared.dwarf().ok()?);
        }
        Some(Lines { context: Context::from_dwarf(dwarf).ok()?, functions: RefCell::default() })
    }

    /// The names of all addresses. `Err`: those that could be read, but there would be more.
    fn all(&self, addresses: &BTreeSet<u64>) -> Result<Names, Names> {
        let mut found = Names::new();
        let mut is_whole = true;
        for &address in addresses {
            let mut names = Vec::new();
            is_whole &= self.read(address, &mut names).is_ok();
            if !names.is_empty() {
                found.insert(address, names);
            }
        }
        if is_whole { Ok(found) } else { Err(found) }
    }

    /// The frames at an address, innermost first; none where the debug information says nothing of it.
    fn read(&self, address: u64, names: &mut Vec<Name>) -> Result<(), gimli::Error> {
        // No code is there, and addr2line looks for what is before the address behind it.
        if address == u64::MAX {
            return Ok(());
        }
        // Code that was compiled with split DWARF keeps its details elsewhere: what the module itself says stands.
        let mut frames = self.context.find_frames(address).skip_all_loads()?;
        while let Some(frame) = frames.next()? {
            let (file, line) = place(frame.location);
            let (function, linkage) = match frame.function {
                Some(function) => self.function(function.name.slice()),
                None => (None, None),
            };
            // With a frame behind it, it was inlined there, and its symbol is not that of the code.
            if let Some(inlined) = names.last_mut() {
                inlined.linkage = None;
            }
            names.push(Name { function, linkage, file, line });
            if names.len() == INLINED_MAX {
                break;
            }
        }
        Ok(())
    }

    fn function(&self, symbol: &'s [u8]) -> (Option<String>, Option<Arc<str>>) {
        let mut functions = self.functions.borrow_mut();
        let (function, linkage) = functions.entry(symbol).or_insert_with(|| {
            let function = demangle(symbol);
            let linkage = linkage(symbol, &function);
            (function, linkage)
        });
        (Some(function.clone()), linkage.clone())
    }
}

fn place(location: Option<Location<'_>>) -> (Option<String>, Option<u32>) {
    let Some(location) = location else { return (None, None) };
    // Line 0: the compiler says that no line stands for this code.
    (location.file.map(|file| cut(file, PATH_BYTES_MAX)), location.line.filter(|&line| line > 0))
}

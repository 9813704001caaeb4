//! Function, file and line of an address, from DWARF, inlined calls unfolded.

use std::borrow::Cow;
use std::collections::HashMap;

use addr2line::{Context, Location};
use gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};

use super::Name;
use super::demangle::{cut, demangle};
use super::elf::View;

/// Longer paths than the kernel takes are cut.
const PATH_BYTES_MAX: usize = 4 << 10;
/// Calls inlined into each other at one address; compilers stop far earlier.
const INLINED_MAX: usize = 1 << 10;
/// The sections that names are in.
const SECTIONS: [SectionId; 11] = [
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
    SectionId::DebugTypes,
];

type Reader<'s> = EndianSlice<'s, LittleEndian>;

/// A file's debug sections, unpacked.
pub struct Sections<'d> {
    contents: HashMap<&'static str, Cow<'d, [u8]>>,
}

impl<'d> Sections<'d> {
    /// Reads them; sections that are not there are empty.
    pub fn of(view: &View<'d>) -> Sections<'d> {
        let names = SECTIONS.iter().map(|id| id.name());
        Sections { contents: names.map(|name| (name, view.section(name))).collect() }
    }

    fn dwarf(&self) -> Result<Dwarf<Reader<'_>>, gimli::Error> {
        Dwarf::load(|id| {
            let content = self.contents.get(id.name()).map_or(&[][..], |content| content);
            Ok(EndianSlice::new(content, LittleEndian))
        })
    }
}

/// The debug information of one module.
pub struct Lines<'s> {
    context: Context<Reader<'s>>,
}

impl<'s> Lines<'s> {
    /// The debug information in these sections, which may refer to what is shared with others; `None`: there is none.
    pub fn load(sections: &'s Sections<'_>, shared: Option<&'s Sections<'_>>) -> Option<Lines<'s>> {
        let is_there = |name| sections.contents.get(name).is_some_and(|content: &Cow<'_, [u8]>| !content.is_empty());
        if !is_there(SectionId::DebugInfo.name()) {
            return None;
        }
        let mut dwarf = sections.dwarf().ok()?;
        if let Some(shared) = shared {
            dwarf.set_sup(shared.dwarf().ok()?);
        }
        Some(Lines { context: Context::from_dwarf(dwarf).ok()? })
    }

    /// The frames at an address, innermost first; none where the debug information says nothing of it.
    pub fn names(&self, address: u64) -> Vec<Name> {
        let mut names = Vec::new();
        // Code that was compiled with split DWARF keeps its details elsewhere: what the module itself says stands.
        let Ok(mut frames) = self.context.find_frames(address).skip_all_loads() else { return names };
        while let Ok(Some(frame)) = frames.next() {
            let (file, line) = place(frame.location);
            let function = frame.function.map(|function| demangle(function.name.slice()));
            names.push(Name { function, file, line });
            if names.len() == INLINED_MAX {
                break;
            }
        }
        names
    }
}

fn place(location: Option<Location<'_>>) -> (Option<String>, Option<u32>) {
    let Some(location) = location else { return (None, None) };
    // Line 0: the compiler says that no line stands for this code.
    (location.file.map(|file| cut(file, PATH_BYTES_MAX)), location.line.filter(|&line| line > 0))
}

//! The units of debug information that wanted addresses lie in, so that the rest need be neither read nor parsed.
//!
//! ```text
//!   .debug_aranges: address ─▶ unit ─▶ .debug_info ─▶ its .debug_abbrev and its program in .debug_line
//! ```
//!
//! A unit that `.debug_aranges` does not list may hold any address: it is wanted if an address is in no listed one.
//! The sections stay as long as they were, up to the last unit that is wanted; what was left out of `.debug_info`
//! is hidden behind the header of a type unit, which nobody looks into.
//!
//! Invariant: `None` stands for all that is not plain: then everything is read.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use gimli::{
    AttributeValue, DebugAbbrev, DebugAranges, DebugInfo, DebugInfoOffset, EndianSlice, LittleEndian, SectionId,
    UnitHeader, constants,
};

use super::content::{Content, whole};
use super::elf::ElfFile;

/// With more units than this to be looked at one by one nothing is gained.
const UNITS_MAX: usize = 1 << 11;
/// Abbreviations of a unit that are unpacked at first. The largest units of libstdc++ have 5 KiB.
const ABBREV_BYTES: usize = 16 << 10;
/// The header of a type unit, as `hide` writes it.
const HEADER_BYTES: usize = 24;

type Reader<'s> = EndianSlice<'s, LittleEndian>;

/// `.debug_aranges`, and of the three large sections what is wanted for the addresses.
pub fn near(file: &ElfFile, addresses: &BTreeSet<u64>) -> Option<[(SectionId, Vec<u8>); 4]> {
    let aranges = whole(file.stored(SectionId::DebugAranges.name())?)?;
    let listed = Listed::read(&aranges, addresses)?;
    let (info, units) = info(file, &listed)?;
    let parsed = DebugInfo::new(&info, LittleEndian);
    let header = |unit: &Range<usize>| parsed.header_from_offset(DebugInfoOffset(unit.start)).ok();
    let headers: Vec<UnitHeader<Reader<'_>>> = units.iter().map(header).collect::<Option<_>>()?;
    let (abbrev, programs) = abbrev(file, &headers)?;
    let line = line(file, &programs)?;
    Some([
        (SectionId::DebugAranges, aranges),
        (SectionId::DebugInfo, info),
        (SectionId::DebugAbbrev, abbrev),
        (SectionId::DebugLine, line),
    ])
}

/// What `.debug_aranges` says of the addresses.
struct Listed {
    /// Units by place in `.debug_info`, and whether they are wanted.
    units: BTreeMap<usize, bool>,
    /// Whether each address is in one of them.
    has_all: bool,
}

impl Listed {
    fn read(aranges: &[u8], addresses: &BTreeSet<u64>) -> Option<Listed> {
        let mut units = BTreeMap::new();
        let mut found: BTreeSet<u64> = BTreeSet::new();
        let mut headers = DebugAranges::new(aranges, LittleEndian).headers();
        while let Some(header) = headers.next().ok()? {
            let is_wanted = units.entry(header.debug_info_offset().0).or_insert(false);
            let mut ranges = header.entries();
            while let Some(range) = ranges.next().transpose() {
                // A range that overflows is passed over; what stops the reading gives `None` the next time.
                let Ok(range) = range else { continue };
                let range = range.range();
                if range.begin < range.end {
                    let inside = addresses.range(range.begin..range.end);
                    *is_wanted |= inside.clone().next().is_some();
                    found.extend(inside);
                }
            }
        }
        Some(Listed { units, has_all: found.len() == addresses.len() })
    }

    /// The first unit at or after a place that has to be looked at.
    fn next(&self, at: usize, end: usize) -> Option<usize> {
        match self.has_all {
            true => self.units.range(at..).find(|(_, is_wanted)| **is_wanted).map(|(&unit, _)| unit),
            false => Some(at).filter(|&at| at < end),
        }
    }

    fn is_wanted(&self, unit: usize) -> bool {
        self.units.get(&unit).copied().unwrap_or(!self.has_all)
    }
}

/// `.debug_info` with the wanted units alone, and where they stand.
fn info(file: &ElfFile, listed: &Listed) -> Option<(Vec<u8>, Vec<Range<usize>>)> {
    let mut content = Content::new(file.stored(SectionId::DebugInfo.name())?)?;
    let mut units: Vec<Range<usize>> = Vec::new();
    let (mut at, mut end) = (0, 0);
    while let Some(unit) = listed.next(at, content.len()) {
        at = unit + length(&mut content, unit)?;
        if listed.is_wanted(unit) {
            content.read(unit + size_of::<u32>()..at)?;
            hide(&mut content, end..unit)?;
            units.push(unit..at);
            end = at;
        }
        if units.len() > UNITS_MAX {
            return None;
        }
    }
    Some((content.into_bytes(end), units))
}

/// Reads the length at the beginning of a unit or a program; with the field's own bytes.
fn length(content: &mut Content<'_>, at: usize) -> Option<usize> {
    let length = content.read(at..at.checked_add(size_of::<u32>())?)?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    // What is above announces 64-bit DWARF, which nobody has seen in the wild.
    (length < 0xffff_fff0).then_some(length as usize + size_of::<u32>())
}

/// Makes one type unit of what was left out.
fn hide(content: &mut Content<'_>, gap: Range<usize>) -> Option<()> {
    if gap.is_empty() {
        return Some(());
    }
    let length = u32::try_from(gap.len() - size_of::<u32>()).ok().filter(|&length| length < 0xffff_fff0)?;
    let header = content.gap(gap.start..gap.end.min(gap.start + HEADER_BYTES))?;
    let header: &mut [u8; HEADER_BYTES] = header.try_into().ok()?;
    header.fill(0);
    header[..4].copy_from_slice(&length.to_le_bytes());
    // Version 5, DW_UT_type, addresses of 8 bytes.
    header[4..8].copy_from_slice(&[5, 0, 2, 8]);
    Some(())
}

/// `.debug_abbrev` as far as the units need it, and where their programs in `.debug_line` stand.
fn abbrev(file: &ElfFile, units: &[UnitHeader<Reader<'_>>]) -> Option<(Vec<u8>, BTreeSet<usize>)> {
    let mut content = Content::new(file.stored(SectionId::DebugAbbrev.name())?)?;
    let last = units.iter().map(|unit| unit.debug_abbrev_offset().0).max();
    let (mut read, mut wanted) = (0, last.map_or(0, |last| last.saturating_add(ABBREV_BYTES)));
    loop {
        wanted = wanted.min(content.len());
        content.read(read..wanted)?;
        read = wanted;
        let abbrev = DebugAbbrev::new(content.bytes().get(..read)?, LittleEndian);
        let programs = units.iter().map(|unit| program(unit, &abbrev)).collect::<Result<Vec<_>, _>>();
        match programs {
            Ok(programs) => return Some((content.into_bytes(read), programs.into_iter().flatten().collect())),
            // A table has no length of its own: whether it was whole shows when it is parsed.
            Err(_) if read < content.len() => wanted = read.saturating_mul(2),
            Err(_) => return None,
        }
    }
}

/// Where a unit's program in `.debug_line` stands, if it has one.
fn program(unit: &UnitHeader<Reader<'_>>, abbrev: &DebugAbbrev<Reader<'_>>) -> Result<Option<usize>, gimli::Error> {
    let abbreviations = unit.abbreviations(abbrev)?;
    let mut entries = unit.entries_raw(&abbreviations, None)?;
    let Some(root) = entries.read_abbreviation()? else { return Ok(None) };
    for &attribute in root.attributes() {
        let attribute = entries.read_attribute(attribute)?;
        if let (constants::DW_AT_stmt_list, AttributeValue::DebugLineRef(at)) = (attribute.name(), attribute.value()) {
            return Ok(Some(at.0));
        }
    }
    Ok(None)
}

/// `.debug_line` with these programs alone.
fn line(file: &ElfFile, programs: &BTreeSet<usize>) -> Option<Vec<u8>> {
    let Some(stored) = file.stored(SectionId::DebugLine.name()) else { return Some(Vec::new()) };
    let mut content = Content::new(stored)?;
    let mut end = 0;
    for &at in programs {
        end = at + length(&mut content, at)?;
        content.read(at + size_of::<u32>()..end)?;
    }
    Some(content.into_bytes(end))
}

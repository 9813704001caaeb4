//! An ELF file on disk: its build-id, its links to debug files, its symbols, its sections.
//!
//! The paths come from a recording, which may name anything: only regular files are opened.

use std::borrow::Cow;
use std::fs::{self, File};
use std::path::Path;

use memmap2::Mmap;
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind};

/// A section may unpack to this much; the largest debug sections known (a browser's) have 3 GiB.
const SECTION_BYTES_MAX: u64 = 4 << 30;
/// zlib makes 1,032 bytes of one at most, zstd more only from zeros.
const INFLATION_MAX: u64 = 1 << 11;

/// A file, mapped.
pub struct ElfFile {
    map: Mmap,
}

/// A file that was found to be ELF.
pub struct View<'d> {
    object: object::File<'d>,
}

/// A function's symbol.
pub struct Symbol<'d> {
    /// First address, as the file counts.
    pub address: u64,
    /// Length in bytes; 0: not known.
    pub bytes: u64,
    /// Where its section ends.
    pub section_end: u64,
    /// Smaller is better where several symbols stand at one address.
    pub rank: u8,
    /// Mangled.
    pub name: &'d [u8],
}

impl ElfFile {
    /// Opens a regular file.
    pub fn open(path: &Path) -> Option<ElfFile> {
        // Looked at before it is opened: opening a device or a FIFO can do things.
        fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let file = File::open(path).ok()?;
        // SAFETY: private and read-only. Whoever cuts the file while it is read ends this process with SIGBUS;
        // installers replace files by renaming, which leaves the mapping whole.
        let map = unsafe { Mmap::map(&file) }.ok()?;
        Some(ElfFile { map })
    }

    /// The file's content as ELF.
    pub fn view(&self) -> Option<View<'_>> {
        let object = object::File::parse(&*self.map).ok()?;
        Some(View { object })
    }

    /// All bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }
}

impl<'d> View<'d> {
    /// NT_GNU_BUILD_ID; empty where there is none.
    pub fn build_id(&self) -> &'d [u8] {
        self.object.build_id().ok().flatten().unwrap_or(&[])
    }

    /// Name and CRC of a separate debug file: `.gnu_debuglink`.
    pub fn debug_link(&self) -> Option<(&'d [u8], u32)> {
        self.object.gnu_debuglink().ok().flatten()
    }

    /// Path and build-id of the file that holds what several debug files share: `.gnu_debugaltlink`.
    pub fn shared_link(&self) -> Option<(&'d [u8], &'d [u8])> {
        self.object.gnu_debugaltlink().ok().flatten()
    }

    /// Whether the file has debug information of its own.
    pub fn has_lines(&self) -> bool {
        self.object.section_by_name(".debug_info").is_some_and(|section| section.size() > 0)
    }

    /// A section's content, unpacked; empty where there is none or it is not whole.
    pub fn section(&self, name: &str) -> Cow<'d, [u8]> {
        let unpacked = || {
            let data = self.object.section_by_name(name)?.compressed_data().ok()?;
            let is_plain = data.format == object::CompressionFormat::None;
            let is_possible = is_plain || may_unpack(data.data.len() as u64, data.uncompressed_size);
            is_possible.then(|| data.decompress().ok())?
        };
        unpacked().unwrap_or(Cow::Borrowed(&[]))
    }

    /// The functions of `.symtab` and `.dynsym`.
    pub fn functions(&self) -> impl Iterator<Item = Symbol<'d>> {
        let symbols = self.object.symbols().chain(self.object.dynamic_symbols());
        symbols.filter_map(|symbol| {
            let is_function = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown);
            let name = symbol.name_bytes().ok().filter(|name| !name.is_empty())?;
            let section = self.object.section_by_index(symbol.section_index()?).ok()?;
            (is_function && is_code(section.flags())).then(|| Symbol {
                address: symbol.address(),
                bytes: symbol.size(),
                section_end: section.address().saturating_add(section.size()),
                rank: rank(symbol.is_global(), symbol.is_weak(), symbol.size() > 0),
                name,
            })
        })
    }
}

/// Whether a section that claims to unpack to so many bytes is given the memory for them.
fn may_unpack(packed_bytes: u64, bytes: u64) -> bool {
    bytes <= packed_bytes.saturating_mul(INFLATION_MAX).min(SECTION_BYTES_MAX)
}

fn is_code(flags: SectionFlags) -> bool {
    // Read as flags: in a file of debug information alone all other sections are without content.
    matches!(flags, SectionFlags::Elf { sh_flags, .. } if sh_flags.contains(object::elf::SHF_EXECINSTR))
}

fn rank(is_global: bool, is_weak: bool, is_sized: bool) -> u8 {
    let unsized_last = if is_sized { 0 } else { 4 };
    match (is_global, is_weak) {
        (true, false) => unsized_last,
        (_, true) => unsized_last + 1,
        (false, false) => unsized_last + 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_gets_no_memory_for_more_than_it_can_hold() {
        assert!(may_unpack(100, 100 * INFLATION_MAX) && !may_unpack(100, 100 * INFLATION_MAX + 1));
        assert!(may_unpack(u64::MAX, SECTION_BYTES_MAX) && !may_unpack(u64::MAX, SECTION_BYTES_MAX + 1));
    }
}

//! An ELF file on disk: its build-id, its links to debug files, its symbols, its sections.
//!
//! The paths come from a recording, which may name anything: only regular files are opened. Nothing is mapped:
//! whoever cuts a file while it is read gets fewer names, where a mapping would end this process with SIGBUS.
//!
//! Invariant: headers and small sections are read when they are asked for, debug sections through `content` alone.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use object::LittleEndian as LE;
use object::elf::{self, CompressionHeader64, FileHeader64, NoteHeader32, SectionHeader64, Sym64};
use object::pod::{from_bytes, slice_from_all_bytes, slice_from_bytes};

use super::content::{Packing, Stored};

/// Sections of one file; a relocatable file of C++ has some ten thousand.
const SECTIONS_MAX: u64 = 1 << 20;
/// Notes and links are short.
const SMALL_BYTES_MAX: u64 = 1 << 20;
/// Symbol tables and their names: the largest known (a browser's) have 500 MiB.
const TABLE_BYTES_MAX: u64 = 1 << 30;

type Header = SectionHeader64<LE>;

/// A file that was found to be ELF, of 64 bits and little-endian as everything that memtrace can be loaded into.
pub struct ElfFile {
    file: File,
    /// Length when it was opened.
    bytes: u64,
    sections: Vec<Header>,
    /// The names of the sections.
    names: Vec<u8>,
}

/// Symbols and their names.
pub struct SymbolTable {
    symbols: Vec<u8>,
    names: Vec<u8>,
}

/// A symbol of a function or of data.
pub struct Symbol<'t> {
    /// First address, as the file counts.
    pub address: u64,
    /// Length in bytes; 0: not known.
    pub bytes: u64,
    /// Where its section ends.
    pub section_end: u64,
    /// Smaller is better where several symbols stand at one address.
    pub rank: u8,
    /// Mangled.
    pub name: &'t [u8],
}

impl ElfFile {
    /// Opens a regular file and reads its headers.
    pub fn open(path: &Path) -> Option<ElfFile> {
        // Looked at before it is opened: opening a device or a FIFO can do things.
        fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let file = File::open(path).ok()?;
        let bytes = file.metadata().ok()?.len();
        let mut found = ElfFile { file, bytes, sections: Vec::new(), names: Vec::new() };
        found.read_headers()?;
        Some(found)
    }

    fn read_headers(&mut self) -> Option<()> {
        let start = self.read(0, size_of::<FileHeader64<LE>>() as u64)?;
        let header: &FileHeader64<LE> = from_bytes(&start).ok()?.0;
        let ident = &header.e_ident;
        let is_ours = ident.magic == elf::ELFMAG && ident.class == elf::ELFCLASS64 && ident.data == elf::ELFDATA2LSB;
        let table = header.e_shoff.get(LE);
        if !is_ours {
            return None;
        }
        if table == 0 {
            return Some(());
        }
        if usize::from(header.e_shentsize.get(LE)) != size_of::<Header>() {
            return None;
        }
        // Numbers that have no room in the file header stand in the first section's.
        let first = self.read(table, size_of::<Header>() as u64)?;
        let first: &Header = from_bytes(&first).ok()?.0;
        let count = match header.e_shnum.get(LE) {
            0 => first.sh_size.get(LE),
            count => count.into(),
        };
        let names = match header.e_shstrndx.get(LE) {
            elf::SHN_XINDEX => first.sh_link.get(LE),
            index => index.0.into(),
        };
        let count = Some(count).filter(|&count| count <= SECTIONS_MAX)?;
        let rows = self.read(table, count * size_of::<Header>() as u64)?;
        self.sections = slice_from_bytes::<Header>(&rows, count as usize).ok()?.0.to_vec();
        self.names = self.content(self.sections.get(names as usize)?, SMALL_BYTES_MAX)?;
        Some(())
    }

    /// `length` bytes from `offset`, all of them.
    fn read(&self, offset: u64, length: u64) -> Option<Vec<u8>> {
        offset.checked_add(length).filter(|&end| end <= self.bytes)?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }

    /// A section's bytes as they are stored.
    fn content(&self, section: &Header, bytes_max: u64) -> Option<Vec<u8>> {
        if section.sh_type.get(LE) == elf::SHT_NOBITS {
            return Some(Vec::new());
        }
        let length = Some(section.sh_size.get(LE)).filter(|&length| length <= bytes_max)?;
        self.read(section.sh_offset.get(LE), length)
    }

    fn find(&self, name: &[u8]) -> Option<&Header> {
        self.sections.iter().find(|section| text_at(&self.names, section.sh_name.get(LE)) == Some(name))
    }

    /// NT_GNU_BUILD_ID; empty where there is none.
    pub fn build_id(&self) -> Vec<u8> {
        let notes = self.sections.iter().filter(|section| section.sh_type.get(LE) == elf::SHT_NOTE);
        let mut ids = notes.filter_map(|section| {
            let notes = self.content(section, SMALL_BYTES_MAX)?;
            build_id(&notes, if section.sh_addralign.get(LE) == 8 { 8 } else { 4 })
        });
        ids.next().unwrap_or_default()
    }

    /// Name and CRC of a separate debug file: `.gnu_debuglink`.
    pub fn debug_link(&self) -> Option<(Vec<u8>, u32)> {
        let link = self.content(self.find(b".gnu_debuglink")?, SMALL_BYTES_MAX)?;
        let name = text_at(&link, 0)?;
        let at = (name.len() + 1).next_multiple_of(4);
        let crc = link.get(at..)?.first_chunk().copied()?;
        Some((name.to_vec(), u32::from_le_bytes(crc)))
    }

    /// Path and build-id of the file that holds what several debug files share: `.gnu_debugaltlink`.
    pub fn shared_link(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let link = self.content(self.find(b".gnu_debugaltlink")?, SMALL_BYTES_MAX)?;
        let name = text_at(&link, 0)?;
        Some((name.to_vec(), link.get(name.len() + 1..)?.to_vec()))
    }

    /// Whether the file has debug information of its own.
    pub fn has_lines(&self) -> bool {
        let found = self.find(b".debug_info").or_else(|| self.find(b".zdebug_info"));
        found.is_some_and(|section| section.sh_size.get(LE) > 0)
    }

    /// Whether the file has a section of this name.
    pub fn has_section(&self, name: &str) -> bool {
        self.find(name.as_bytes()).is_some()
    }

    /// Whether the loader finds a function of one of these names in the file.
    pub fn defines(&self, names: &[&[u8]]) -> bool {
        let tables = self.tables(&[elf::SHT_DYNSYM]);
        tables.iter().any(|table| self.functions(table).any(|symbol| names.contains(&symbol.name)))
    }

    /// Where a debug section's content lies; `None`: it has none, or not in a form that is known.
    pub fn stored(&self, name: &str) -> Option<Stored<'_>> {
        let stored = |offset, bytes, packing, unpacked_bytes| {
            let is_inside = |end: &u64| *end <= self.bytes;
            u64::checked_add(offset, bytes).filter(is_inside)?;
            Some(Stored { file: &self.file, offset, bytes, packing, unpacked_bytes })
        };
        if let Some(section) = self.find(name.as_bytes()) {
            let (offset, bytes) = (section.sh_offset.get(LE), section.sh_size.get(LE));
            if section.sh_type.get(LE) == elf::SHT_NOBITS {
                return None;
            }
            if !section.sh_flags.get(LE).contains(elf::SHF_COMPRESSED) {
                return stored(offset, bytes, Packing::Plain, bytes);
            }
            let header_bytes = size_of::<CompressionHeader64<LE>>() as u64;
            let header = self.read(offset, header_bytes)?;
            let header: &CompressionHeader64<LE> = from_bytes(&header).ok()?.0;
            let packing = match header.ch_type.get(LE) {
                elf::ELFCOMPRESS_ZLIB => Packing::Zlib,
                elf::ELFCOMPRESS_ZSTD => Packing::Zstd,
                _ => return None,
            };
            return stored(offset + header_bytes, bytes.checked_sub(header_bytes)?, packing, header.ch_size.get(LE));
        }
        // As GNU tools did it first: `ZLIB` and the length, big-endian.
        let section = self.find(name.replacen(".debug_", ".zdebug_", 1).as_bytes())?;
        let (offset, bytes) = (section.sh_offset.get(LE), section.sh_size.get(LE));
        let header = self.read(offset, 12)?;
        let unpacked_bytes = u64::from_be_bytes(header.get(4..)?.try_into().ok()?);
        let is_known = header.starts_with(b"ZLIB");
        is_known.then(|| stored(offset + 12, bytes.checked_sub(12)?, Packing::Zlib, unpacked_bytes))?
    }

    /// `.symtab` and `.dynsym`.
    pub fn symbol_tables(&self) -> Vec<SymbolTable> {
        self.tables(&[elf::SHT_SYMTAB, elf::SHT_DYNSYM])
    }

    fn tables(&self, kinds: &[elf::SectionType]) -> Vec<SymbolTable> {
        let table = |kind: &elf::SectionType| {
            let section = self.sections.iter().find(|section| section.sh_type.get(LE) == *kind)?;
            let names = self.sections.get(section.sh_link.get(LE) as usize)?;
            let (symbols, names) = (self.content(section, TABLE_BYTES_MAX)?, self.content(names, TABLE_BYTES_MAX)?);
            Some(SymbolTable { symbols, names })
        };
        kinds.iter().filter_map(table).collect()
    }

    /// The functions of a table of this file's.
    pub fn functions<'t>(&self, table: &'t SymbolTable) -> impl Iterator<Item = Symbol<'t>> {
        self.symbols(table, |section, symbol| {
            // Read as a flag: in a file of debug information alone all other sections are without content.
            section.sh_flags.get(LE).contains(elf::SHF_EXECINSTR) && may_be_function(symbol)
        })
    }

    /// The writable data of a table of this file's, without that of threads, which has no address here.
    pub fn data<'t>(&self, table: &'t SymbolTable) -> impl Iterator<Item = Symbol<'t>> {
        self.symbols(table, |section, symbol| {
            let flags = section.sh_flags.get(LE);
            let is_data = flags.contains(elf::SHF_ALLOC) && flags.contains(elf::SHF_WRITE);
            is_data && may_be_data(symbol)
        })
    }

    fn symbols<'t>(
        &self,
        table: &'t SymbolTable,
        takes: impl Fn(&Header, &Sym64<LE>) -> bool,
    ) -> impl Iterator<Item = Symbol<'t>> {
        let symbols = slice_from_all_bytes::<Sym64<LE>>(&table.symbols).unwrap_or(&[]);
        symbols.iter().filter_map(move |symbol| {
            let section = self.sections.get(usize::from(symbol.st_shndx.get(LE).0))?;
            if !takes(section, symbol) {
                return None;
            }
            let (address, bytes) = (symbol.st_value.get(LE), symbol.st_size.get(LE));
            Some(Symbol {
                address,
                bytes,
                section_end: section.sh_addr.get(LE).saturating_add(section.sh_size.get(LE)),
                rank: rank(symbol, bytes > 0),
                name: text_at(&table.names, symbol.st_name.get(LE)).filter(|name| !name.is_empty())?,
            })
        })
    }

    /// Everything in the file, piece by piece; false if not all of it could be read.
    pub fn for_each_piece(&self, mut take: impl FnMut(&[u8])) -> bool {
        let mut piece = vec![0; 1 << 18];
        let mut at = 0;
        while at < self.bytes {
            match self.file.read_at(&mut piece, at) {
                Ok(length) if length > 0 => {
                    take(&piece[..length]);
                    at += length as u64;
                }
                _ => return false,
            }
        }
        true
    }
}

/// The text at a place in a table of texts that end with 0.
fn text_at(table: &[u8], at: u32) -> Option<&[u8]> {
    let rest = table.get(at as usize..)?;
    rest.get(..rest.iter().position(|&byte| byte == 0)?)
}

fn build_id(mut notes: &[u8], align: usize) -> Option<Vec<u8>> {
    loop {
        let (header, rest) = from_bytes::<NoteHeader32<LE>>(notes).ok()?;
        let name_bytes = header.n_namesz.get(LE) as usize;
        let (start, bytes) = ((12 + name_bytes).next_multiple_of(align), header.n_descsz.get(LE) as usize);
        if rest.get(..name_bytes)? == b"GNU\0" && header.n_type.get(LE) == elf::NT_GNU_BUILD_ID {
            return notes.get(start..start.checked_add(bytes)?).map(<[u8]>::to_vec);
        }
        notes = notes.get((start + bytes).next_multiple_of(align)..)?;
    }
}

fn may_be_function(symbol: &Sym64<LE>) -> bool {
    let kind = symbol.st_info.st_type();
    ![elf::STT_OBJECT, elf::STT_COMMON, elf::STT_SECTION, elf::STT_FILE, elf::STT_TLS].contains(&kind)
}

/// Symbols without a length (`_end`, `__bss_start`) are places, not data.
fn may_be_data(symbol: &Sym64<LE>) -> bool {
    let kind = symbol.st_info.st_type();
    let others = [elf::STT_FUNC, elf::STT_SECTION, elf::STT_FILE, elf::STT_TLS, elf::STT_GNU_IFUNC];
    !others.contains(&kind) && symbol.st_size.get(LE) > 0
}

fn rank(symbol: &Sym64<LE>, is_sized: bool) -> u8 {
    let unsized_last = if is_sized { 0 } else { 4 };
    match symbol.st_info.st_bind() {
        elf::STB_WEAK => unsized_last + 1,
        elf::STB_LOCAL => unsized_last + 2,
        _ => unsized_last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_id_is_found_behind_other_notes() {
        let note = |name: &[u8; 4], kind: u8, text: &[u8]| {
            let mut note = [[4, 0, 0, 0], [text.len() as u8, 0, 0, 0], [kind, 0, 0, 0], *name].concat();
            note.extend(text);
            note.resize(note.len().next_multiple_of(4), 0);
            note
        };
        let notes = [note(b"GNU\0", 1, &[9; 16]), note(b"Xen\0", 3, &[8; 5]), note(b"GNU\0", 3, &[7; 20])].concat();
        assert_eq!(build_id(&notes, 4), Some(vec![7; 20]));
        assert_eq!(build_id(&notes[..notes.len() - 1], 4), None);
    }

    #[test]
    fn a_text_ends_inside_its_table() {
        assert_eq!(text_at(b"\0one\0two", 1), Some(&b"one"[..]));
        assert_eq!((text_at(b"\0one\0two", 5), text_at(b"\0", 2)), (None, None));
    }
}

//! The function or the data that an address lies in, by symbol tables alone.
//!
//! Invariants:
//! - sorted by address, one symbol for each; the better rank wins, then the name that sorts first;
//! - a symbol with a length ends there; one without ends at the next, or with its section.

use super::elf::{ElfFile, Symbol, SymbolTable};

/// Functions, or data, of a module and its debug file.
pub struct Symbols<'t> {
    rows: Vec<Row<'t>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row<'t> {
    address: u64,
    rank: u8,
    name: &'t [u8],
    bytes: u64,
    section_end: u64,
}

impl<'t> Symbols<'t> {
    /// The functions of several files that stand for one module.
    pub fn of_code(files: &'t [(&ElfFile, Vec<SymbolTable>)]) -> Symbols<'t> {
        Symbols::sorted(tables(files).flat_map(|(file, table)| file.functions(table)).filter_map(row).collect())
    }

    /// Their writable data.
    pub fn of_data(files: &'t [(&ElfFile, Vec<SymbolTable>)]) -> Symbols<'t> {
        Symbols::sorted(tables(files).flat_map(|(file, table)| file.data(table)).filter_map(row).collect())
    }

    fn sorted(mut rows: Vec<Row<'t>>) -> Symbols<'t> {
        rows.sort_unstable();
        rows.dedup_by_key(|row| row.address);
        Symbols { rows }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The mangled name of the symbol at an address.
    pub fn find(&self, address: u64) -> Option<&'t [u8]> {
        self.find_with_start(address).map(|found| found.0)
    }

    /// The same, with the address that it starts at.
    pub fn find_with_start(&self, address: u64) -> Option<(&'t [u8], u64)> {
        let after = self.rows.partition_point(|row| row.address <= address);
        // Short symbols can lie inside a long one (entry points written in assembly): look back a few.
        let near = self.rows.get(after.saturating_sub(8)..after)?;
        let holds = |row: &&Row<'_>| match row.bytes {
            0 => near.last().is_some_and(|last| last.address == row.address) && address < row.section_end,
            bytes => address - row.address < bytes,
        };
        near.iter().rev().find(holds).map(|row| (row.name, row.address))
    }
}

fn tables<'t>(
    files: &'t [(&ElfFile, Vec<SymbolTable>)],
) -> impl Iterator<Item = (&'t ElfFile, &'t SymbolTable)> + use<'t> {
    files.iter().flat_map(|(file, tables)| tables.iter().map(move |table| (*file, table)))
}

fn row(symbol: Symbol<'_>) -> Option<Row<'_>> {
    // A version (`name@@VERSION`) is no part of the name.
    let name = symbol.name.split(|&byte| byte == b'@').next().filter(|name| !name.is_empty())?;
    let Symbol { address, bytes, section_end, rank, .. } = symbol;
    Some(Row { address, rank, name, bytes, section_end })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols<'t>(rows: &[(u64, u64, u8, &'t str)]) -> Symbols<'t> {
        let row = |&(address, bytes, rank, name): &(u64, u64, u8, &'t str)| Row {
            address,
            rank,
            name: name.as_bytes(),
            bytes,
            section_end: 0x300,
        };
        Symbols::sorted(rows.iter().map(row).collect())
    }

    #[test]
    fn an_address_past_a_functions_end_has_no_name() {
        let symbols = symbols(&[(0x100, 0x10, 0, "f"), (0x200, 0x10, 0, "g")]);
        assert_eq!(symbols.find(0x10f), Some(&b"f"[..]));
        assert_eq!(symbols.find(0x110), None);
        assert_eq!(symbols.find(0xff), None);
    }

    #[test]
    fn a_symbol_without_length_ends_at_the_next() {
        let symbols = symbols(&[(0x100, 0, 4, "_start"), (0x200, 0x10, 0, "g")]);
        assert_eq!(symbols.find(0x1ff), Some(&b"_start"[..]));
        assert_eq!(symbols.find(0x20f), Some(&b"g"[..]));
        assert_eq!(symbols.find(0x210), None);
    }

    #[test]
    fn the_last_symbol_without_length_ends_with_its_section() {
        let symbols = symbols(&[(0x2f0, 0, 4, "_fini")]);
        assert_eq!(symbols.find(0x2ff), Some(&b"_fini"[..]));
        assert_eq!(symbols.find(0x300), None);
    }

    #[test]
    fn of_two_names_for_one_function_the_global_one_wins() {
        let symbols = symbols(&[(0x100, 8, 2, "a_local"), (0x100, 8, 0, "public"), (0x100, 8, 1, "a_weak")]);
        assert_eq!(symbols.find(0x100), Some(&b"public"[..]));
    }

    #[test]
    fn a_function_around_a_short_symbol_goes_on_after_it() {
        let symbols = symbols(&[(0x100, 0x100, 0, "outer"), (0x120, 4, 2, "entry")]);
        assert_eq!(symbols.find(0x121), Some(&b"entry"[..]));
        assert_eq!(symbols.find(0x130), Some(&b"outer"[..]));
    }
}

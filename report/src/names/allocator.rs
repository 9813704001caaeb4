//! An allocator that is linked into a module under names of its own, so that its blocks never come by malloc.
//!
//! Its functions say so, where the module has a symbol table; a stripped one has the words that it prefixes to its messages.

use std::path::Path;

use super::elf::ElfFile;

/// An allocator, a few of its functions, and words of its messages.
struct Known {
    name: &'static str,
    functions: &'static [&'static str],
    words: &'static [u8],
}

const KNOWN: &[Known] = &[
    Known {
        name: "jemalloc",
        functions: &["mallocx", "je_mallocx", "je_malloc", "_rjem_mallocx", "_rjem_malloc"],
        words: b"<jemalloc>: ",
    },
    Known { name: "mimalloc", functions: &["mi_malloc", "mi_heap_malloc", "mi_malloc_aligned"], words: b"mimalloc: " },
    Known { name: "tcmalloc", functions: &["tc_malloc", "TCMallocInternalMalloc"], words: b"tcmalloc: large alloc " },
    Known { name: "snmalloc", functions: &["sn_malloc", "sn_rust_alloc"], words: b"snmalloc: " },
    Known { name: "rpmalloc", functions: &["rpmalloc", "rpaligned_alloc"], words: b"rpmalloc: " },
    Known { name: "dlmalloc", functions: &["dlmalloc"], words: b"dlmalloc: " },
];

/// Larger stripped files are not searched.
const STRIPPED_BYTES_MAX: u64 = 256 << 20;

/// The allocator that is linked into a file.
pub fn linked_in(path: &Path) -> Option<&'static str> {
    let file = ElfFile::open(path)?;
    let tables = file.symbol_tables();
    let is_of = |known: &Known, name: &[u8]| known.functions.iter().any(|function| function.as_bytes() == name);
    let mut functions = tables.iter().flat_map(|table| file.functions(table));
    if let Some(known) = functions.find_map(|symbol| KNOWN.iter().find(|known| is_of(known, symbol.name))) {
        return Some(known.name);
    }
    // A file with both tables has told all.
    if tables.len() > 1 || std::fs::metadata(path).ok()?.len() > STRIPPED_BYTES_MAX {
        return None;
    }
    let mut found = None;
    let mut end: Vec<u8> = Vec::new();
    file.for_each_piece(|piece| {
        // Words may lie over the border of two pieces.
        let border: Vec<u8> = end.iter().chain(piece.iter().take(WORDS_MAX)).copied().collect();
        let has = |known: &&Known| holds(piece, known.words) || holds(&border, known.words);
        found = found.or_else(|| KNOWN.iter().find(has).map(|known| known.name));
        end = piece.get(piece.len().saturating_sub(WORDS_MAX)..).unwrap_or_default().to_vec();
    });
    found
}

/// Longer than any of the words.
const WORDS_MAX: usize = 32;

fn holds(text: &[u8], words: &[u8]) -> bool {
    let Some((first, rest)) = words.split_first() else { return false };
    let mut from = text;
    while let Some(place) = from.iter().position(|byte| byte == first) {
        from = from.get(place + 1..).unwrap_or_default();
        if from.starts_with(rest) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn an_allocator_is_known_by_its_functions_or_its_words() {
        let folder = std::env::temp_dir().join(format!("memtrace-allocator-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let build = |name: &str, source: &str, flags: &[&str]| {
            let (from, to) = (folder.join(format!("{name}.c")), folder.join(name));
            std::fs::write(&from, source).unwrap();
            assert!(Command::new("cc").arg("-o").arg(&to).arg(&from).args(flags).status().unwrap().success());
            linked_in(&to)
        };
        let renamed =
            "void *_rjem_malloc(unsigned long n) { return (void *)n; } int main(void) { return !_rjem_malloc(1); }";
        assert_eq!(build("named", renamed, &[]), Some("jemalloc"));
        assert_eq!(build("unnamed", renamed, &["-s"]), None);
        let words = "#include <stdio.h>\nint main(void) { return puts(\"<jemalloc>: out of memory\") < 0; }";
        assert_eq!(build("stripped", words, &["-s"]), Some("jemalloc"));
        // A table of symbols beside the words: somebody else's words.
        assert_eq!(build("words", words, &[]), None);
        // To call one is not to have one.
        let calls = "void *mi_malloc(unsigned long); int main(void) { return (long)mi_malloc; }";
        let shared = ["-shared", "-fPIC"];
        assert_eq!(build("calls", calls, &shared), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}

//! What the release libraries are made of: gates on the files themselves, without running them.
//!
//! Everything here follows from one law: a library of ours is a guest in every process, the oldest and the barest too.

use std::collections::BTreeSet;
use std::path::Path;

use object::elf;
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader, SectionHeader};
use object::{Endianness, Object, ObjectSymbol};

/// Of the static TLS that glibc keeps for libraries loaded late, shared by all of them.
const TLS_BYTES_MAX: u64 = 256;
/// The newest symbol version that may be asked for: Debian 10, RHEL 8.
const GLIBC_MAX: (u32, u32) = (2, 28);

type Elf<'d> = ElfFile64<'d, Endianness>;

/// The libraries, each with the list of what it exports and the least number of symbols that it has.
fn libraries() -> [(&'static Path, &'static str, usize); 3] {
    let pair = memtrace_tests::pair();
    [
        (&pair.library, "exports.txt", 100),
        (&pair.calls, "exports_calls.txt", 160),
        (&pair.debugmem, "exports_debugmem.txt", 15),
    ]
}

fn with<T>(library: &Path, look: impl FnOnce(&Elf<'_>) -> T) -> T {
    let bytes = std::fs::read(library).expect("the library can be read");
    look(&Elf::parse(&*bytes).expect("the library is an ELF file"))
}

fn with_each(look: impl Fn(&Elf<'_>)) {
    libraries().iter().for_each(|(library, ..)| with(library, &look));
}

/// Strings of dynamic entries with this tag.
fn dynamic(library: &Elf<'_>, tag: i64) -> Vec<String> {
    let (endian, data) = (library.endian(), library.data());
    let sections = library.elf_section_table();
    let (entries, link) = sections.dynamic(endian, data).expect("readable").expect("a library has a dynamic section");
    let strings = sections.strings(endian, data, link).expect("readable");
    let found = entries.iter().filter(|entry| entry.d_tag(endian).0 == tag);
    let text = |entry: &_| Dyn::string(entry, endian, strings).expect("readable").to_vec();
    found.map(|entry| String::from_utf8(text(entry)).expect("names are ASCII")).collect()
}

#[test]
fn no_code_can_panic_or_unwind() {
    libraries().iter().for_each(|(library, _, least)| {
        with(library, |library| {
            let symbols = library.symbols().chain(library.dynamic_symbols());
            let names = symbols.filter_map(|symbol| symbol.name().ok().map(str::to_owned));
            let names: BTreeSet<String> = names.collect();
            assert!(names.len() > *least, "the library is stripped: nothing is shown");
            let is_panic =
                |name: &&String| ["panicking", "panic_fmt", "unwind_failed"].iter().any(|word| name.contains(word));
            let panics: Vec<&String> = names.iter().filter(is_panic).collect();
            assert!(panics.is_empty(), "{panics:#?}");
        })
    });
}

#[test]
fn thread_local_memory_is_initial_exec_and_small() {
    with_each(|library| {
        let (endian, data) = (library.endian(), library.data());
        let mut kinds = BTreeSet::new();
        for section in library.elf_section_table().iter() {
            if let Some((relocations, _)) = section.rela(endian, data).expect("readable") {
                kinds.extend(relocations.iter().map(|relocation| relocation.r_type(endian, false)));
            }
        }
        assert!(!kinds.is_empty(), "no relocations are found");
        for forbidden in [elf::R_X86_64_DTPMOD64, elf::R_X86_64_DTPOFF64, elf::R_X86_64_TLSDESC] {
            assert!(!kinds.contains(&forbidden), "relocations are of kinds {kinds:?}, one is {forbidden:?}");
        }
        let headers = library.elf_header().program_headers(endian, data).expect("readable");
        let tls: Vec<u64> = headers
            .iter()
            .filter(|header| header.p_type(endian) == elf::PT_TLS)
            .map(|header| header.p_memsz(endian))
            .collect();
        assert!(tls.iter().sum::<u64>() <= TLS_BYTES_MAX, "{tls:?} bytes of static TLS");
    });
}

#[test]
fn nothing_but_libc_is_needed() {
    with_each(|library| {
        let allowed = ["libc.so.6", "ld-linux-x86-64.so.2"];
        let needed = dynamic(library, elf::DT_NEEDED.0);
        assert!(needed.iter().all(|name| allowed.contains(&name.as_str())), "{needed:?}");
        assert_eq!(dynamic(library, elf::DT_RUNPATH.0), [""; 0]);
        assert_eq!(dynamic(library, elf::DT_RPATH.0), [""; 0]);
    });
}

/// Versions of symbols that a file asks for.
fn versions(file: &Elf<'_>) -> BTreeSet<String> {
    let (endian, data) = (file.endian(), file.data());
    let sections = file.elf_section_table();
    let mut versions = BTreeSet::new();
    // Without the section no version is asked for.
    let Some((mut needs, link)) = sections.gnu_verneed(endian, data).expect("readable") else { return versions };
    let strings = sections.strings(endian, data, link).expect("readable");
    while let Some((_, mut files)) = needs.next().expect("readable") {
        while let Some(version) = files.next().expect("readable") {
            let name = version.name(endian, strings).expect("readable");
            versions.insert(String::from_utf8_lossy(name).into_owned());
        }
    }
    versions
}

#[test]
fn no_symbol_is_newer_than_glibc_2_28() {
    with_each(|library| {
        let versions = versions(library);
        let is_old = |version: &&String| number(version).is_some_and(|number| number <= GLIBC_MAX);
        let newer: Vec<&String> = versions.iter().filter(|version| !is_old(version)).collect();
        assert!(newer.is_empty(), "{newer:?} of {versions:?}");
    });
}

/// A command that cargo builds asks for what the C library of its machine offers. One built by `package/release.sh` with
/// cargo-zigbuild asks for no more than the libraries do.
#[test]
fn the_command_asks_for_no_more_than_glibc_2_34() {
    with(&memtrace_tests::pair().command, |command| {
        let versions = versions(command);
        let of_glibc: Vec<(u32, u32)> = versions.iter().filter_map(|version| number(version)).collect();
        let newest = of_glibc.iter().max().expect("it is linked with the C library");
        println!("the command needs glibc {}.{}", newest.0, newest.1);
        assert!(*newest <= (2, 34), "{versions:?}");
    });
}

/// `GLIBC_2.2.5` is 2.2.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix("GLIBC_")?.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[test]
fn exactly_the_listed_names_are_exported() {
    for (library, name, _) in libraries() {
        let list =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("the list is there");
        let listed: BTreeSet<String> =
            list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect();
        let exported = with(library, |library| {
            let defined = library.dynamic_symbols().filter(|symbol| symbol.is_definition() && symbol.is_global());
            defined.map(|symbol| symbol.name().expect("readable").to_owned()).collect::<BTreeSet<String>>()
        });
        let missing: Vec<&String> = listed.difference(&exported).collect();
        let unlisted: Vec<&String> = exported.difference(&listed).collect();
        assert!(
            missing.is_empty() && unlisted.is_empty(),
            "tests/{name}: not exported {missing:?}, not listed {unlisted:?}"
        );
    }
}

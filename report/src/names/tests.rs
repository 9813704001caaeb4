//! Names of real programs, built here in every form in which debug information comes.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::*;

/// A folder that goes when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("memtrace-names-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Folder(folder.canonicalize().unwrap())
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Runs a command line in the folder; what it prints.
    fn run(&self, line: &str) -> String {
        let output = Command::new("sh").arg("-ec").arg(line).current_dir(&self.0).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Where nm(1) finds a symbol.
    fn address(&self, file: &str, symbol: &str) -> u64 {
        let table = self.run(&format!("nm {file}"));
        let line = table.lines().find(|line| line.ends_with(&format!(" {symbol}")));
        u64::from_str_radix(line.unwrap_or_else(|| panic!("no {symbol} in {table}")).split(' ').next().unwrap(), 16)
            .unwrap()
    }

    fn build_id(&self, file: &str) -> Vec<u8> {
        ElfFile::open(&self.join(file)).unwrap().build_id()
    }

    fn resolve(&self, file: &str, build_id: &[u8], address: u64) -> (Origin, Vec<Name>) {
        self.resolve_with(file, build_id, address, false)
    }

    fn resolve_with(&self, file: &str, build_id: &[u8], address: u64, symbols: bool) -> (Origin, Vec<Name>) {
        let key = ModuleKey { path: self.join(file), build_id: build_id.to_vec() };
        let wanted = Wanted { code: BTreeSet::from([address]), symbols, ..Wanted::default() };
        let requests = HashMap::from([(key.clone(), wanted)]);
        let answers = resolve(requests, &Places::below(&self.join("debug")));
        let answer = answers.get(&key).unwrap();
        (answer.origin, answer.names.get(&address).cloned().unwrap_or_default())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const PLANT: &str = "\
#include <stdlib.h>
static inline __attribute__((always_inline)) void *inner(void) {
    return malloc(8);
}
__attribute__((noinline)) void *plant(void) {
    void *block = inner();
    __asm__ volatile(\"\" : : \"r\"(block));
    return block;
}
int main(void) { return plant() == 0; }
";

fn plant(name: &str, flags: &str) -> Folder {
    let folder = Folder::new(name);
    fs::write(folder.join("plant.c"), PLANT).unwrap();
    folder.run(&format!("gcc -O2 -Wl,--build-id {flags} -o app plant.c"));
    folder
}

/// The call of malloc in `plant`: its return address - 1, by the disassembler.
fn call_of_malloc(folder: &Folder, file: &str) -> u64 {
    let code = folder.run(&format!("objdump -d --no-show-raw-insn --disassemble=plant {file}"));
    let mut lines = code.lines().skip_while(|line| !(line.contains("call") && line.contains("malloc")));
    let after = lines.nth(1).unwrap();
    u64::from_str_radix(after.trim().split(':').next().unwrap(), 16).unwrap() - 1
}

fn places(names: &[Name]) -> Vec<(&str, &str, u32)> {
    let part = |name: &Name| name.file.as_deref().and_then(|file| file.rsplit('/').next()).map(str::to_owned);
    names
        .iter()
        .map(|name| {
            let file: &'static str = part(name).unwrap_or_default().leak();
            (name.function.as_deref().unwrap_or_default(), file, name.line.unwrap_or(0))
        })
        .collect()
}

const EXPECTED: [(&str, &str, u32); 2] = [("inner", "plant.c", 3), ("plant", "plant.c", 6)];

#[test]
fn an_inlined_call_gives_two_frames_with_file_and_line() {
    let folder = plant("inline", "-g");
    let (origin, names) = folder.resolve("app", &folder.build_id("app"), call_of_malloc(&folder, "app"));
    assert_eq!((origin, places(&names)), (Origin::DebugInfo, EXPECTED.to_vec()));
}

#[test]
fn dwarf_of_every_version_and_compression_is_read() {
    for flags in ["-gdwarf-3", "-gdwarf-4", "-gdwarf-5", "-g -gz=zlib"] {
        let folder = plant("compressed", flags);
        let names = folder.resolve("app", &folder.build_id("app"), call_of_malloc(&folder, "app")).1;
        assert_eq!(places(&names), EXPECTED, "{flags}");
    }
    for form in ["zlib", "zlib-gnu", "zstd"] {
        let folder = plant("compressed", "-g");
        folder.run(&format!("objcopy --compress-debug-sections={form} app"));
        let names = folder.resolve("app", &folder.build_id("app"), call_of_malloc(&folder, "app")).1;
        assert_eq!(places(&names), EXPECTED, "{form}");
    }
}

#[test]
fn without_debug_information_the_symbol_remains_and_after_strip_the_exported_one() {
    let folder = plant("symbols", "-rdynamic");
    let (address, build_id) = (call_of_malloc(&folder, "app"), folder.build_id("app"));
    let symbol = (Origin::Symbols, vec![Name { function: Some("plant".into()), ..Name::default() }]);
    assert_eq!(folder.resolve("app", &build_id, address), symbol);
    folder.run("strip app");
    assert_eq!(folder.resolve("app", &build_id, address), symbol);
    let folder = plant("stripped", "-s");
    assert_eq!(folder.resolve("app", &folder.build_id("app"), address), (Origin::Nothing, vec![]));
}

#[test]
fn a_function_has_its_symbol_where_its_code_was_not_inlined() {
    const BOX: &str = "\
#include <stdlib.h>
namespace ns {
static inline __attribute__((always_inline)) void *inner() { return malloc(8); }
struct Box { void *block; Box(); };
__attribute__((noinline)) Box::Box() : block(inner()) { __asm__ volatile(\"\" : : \"r\"(block)); }
}
int main() { return ns::Box().block == 0; }
";
    let folder = Folder::new("linkage");
    fs::write(folder.join("box.cpp"), BOX).unwrap();
    let symbols = |flags: &str, of_tables: bool| {
        folder.run(&format!("g++ -O2 {flags} -o app box.cpp"));
        let code = folder.run("objdump -d --no-show-raw-insn --disassemble=_ZN2ns3BoxC1Ev app");
        let call = code.lines().find(|line| line.contains("call") && line.contains("malloc")).unwrap();
        let address = u64::from_str_radix(call.trim().split(':').next().unwrap(), 16).unwrap();
        let names = folder.resolve_with("app", &folder.build_id("app"), address, of_tables).1;
        let linkage = |name: &Name| (name.function.clone().unwrap(), name.linkage.as_deref().map(String::from));
        names.iter().map(linkage).collect::<Vec<_>>()
    };
    let with = |symbol: &str| ("ns::Box::Box()".to_owned(), Some(symbol.to_owned()));
    // Constructors have several symbols: the tables name the first, debug information one of the others.
    assert!([with("_ZN2ns3BoxC2Ev"), with("_ZN2ns3BoxC4Ev")].contains(&symbols("-g", false)[1]));
    assert_eq!(symbols("-g", true), [("inner".to_owned(), None), with("_ZN2ns3BoxC1Ev")]);
    assert_eq!(symbols("", false), [with("_ZN2ns3BoxC1Ev")]);
}

#[test]
fn a_split_debug_file_is_found_by_link_in_all_its_places() {
    for place in [".", ".debug", "debug$PWD"] {
        let folder = plant("link", "-g -Wl,--build-id=none");
        let address = call_of_malloc(&folder, "app");
        folder.run(&format!(
            "objcopy --only-keep-debug app app.debug; strip app; objcopy --add-gnu-debuglink=app.debug app
             mkdir -p {place}; cp app.debug {place}/moved; rm app.debug; mv {place}/moved {place}/app.debug"
        ));
        assert_eq!(places(&folder.resolve("app", &[], address).1), EXPECTED, "{place}");
        // Another file of that name is not taken.
        folder.run(&format!("printf x >> {place}/app.debug"));
        assert_eq!(folder.resolve("app", &[], address).1, [], "{place}");
    }
}

#[test]
fn a_split_debug_file_is_found_by_build_id() {
    let folder = plant("build-id", "-g");
    let (address, build_id) = (call_of_malloc(&folder, "app"), folder.build_id("app"));
    let hex: String = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let (first, rest) = hex.split_at(2);
    folder.run(&format!(
        "mkdir -p debug/.build-id/{first}; objcopy --only-keep-debug app debug/.build-id/{first}/{rest}.debug; strip app"
    ));
    let (origin, names) = folder.resolve("app", &build_id, address);
    assert_eq!((origin, places(&names)), (Origin::DebugInfo, EXPECTED.to_vec()));
}

#[test]
fn what_dwz_shares_between_debug_files_is_found() {
    let folder = plant("dwz", "-g -gdwarf-4");
    folder.run(
        "for n in 1 2 3; do gcc -O2 -g -gdwarf-4 -DN=$n -Wl,--build-id -o app$n plant.c; done
         dwz -m shared.debug -M shared.debug app1 app2 app3
         readelf -S app1 | grep -q gnu_debugaltlink",
    );
    let address = call_of_malloc(&folder, "app1");
    assert_eq!(places(&folder.resolve("app1", &folder.build_id("app1"), address).1), EXPECTED);
    // The same file but for its build-id is another one: names from it may be wrong.
    let (shared, build_id) = (folder.join("shared.debug"), folder.build_id("shared.debug"));
    let mut bytes = fs::read(&shared).unwrap();
    let at = bytes.windows(build_id.len()).position(|window| window == build_id).unwrap();
    bytes[at] ^= 1;
    fs::write(&shared, bytes).unwrap();
    assert_ne!(places(&folder.resolve("app1", &folder.build_id("app1"), address).1), EXPECTED);
}

#[test]
fn code_with_lines_but_without_a_function_takes_its_name_from_the_symbols() {
    let folder = Folder::new("assembly");
    let source = ".globl main\n.text\nmain:\n  nop\n  xor %eax, %eax\n  ret\n.section .note.GNU-stack\n";
    fs::write(folder.join("code.s"), source).unwrap();
    folder.run("as -g -o code.o code.s; gcc -Wl,--build-id -o app code.o");
    let address = folder.address("app", "main") + 1;
    let (origin, names) = folder.resolve("app", &folder.build_id("app"), address);
    assert_eq!((origin, places(&names)), (Origin::DebugInfo, vec![("main", "code.s", 5)]));
}

#[test]
fn a_file_with_another_build_id_names_nothing() {
    let folder = plant("changed", "-g");
    let address = call_of_malloc(&folder, "app");
    let mut other = folder.build_id("app");
    other[0] ^= 1;
    assert_eq!(folder.resolve("app", &other, address), (Origin::Changed, vec![]));
    assert_eq!(folder.resolve("app", &[], address), (Origin::Changed, vec![]));
    assert_eq!(folder.resolve("gone", &other, address), (Origin::Unreadable, vec![]));
    assert_eq!(folder.resolve(".", &other, address), (Origin::Unreadable, vec![]));
    assert_eq!(folder.resolve("plant.c", &other, address), (Origin::Unreadable, vec![]));
}

#[test]
fn cpp_names_are_demangled_with_and_without_debug_information() {
    let folder = Folder::new("cpp");
    let source = "namespace garden { struct Bed { __attribute__((noinline)) int *plant(int seeds); };
int *Bed::plant(int seeds) { return new int[seeds]; } }
int main() { garden::Bed bed; return bed.plant(3) == nullptr; }\n";
    fs::write(folder.join("bed.cc"), source).unwrap();
    for (flags, origin) in [("-g", Origin::DebugInfo), ("", Origin::Symbols)] {
        folder.run(&format!("g++ -Wl,--build-id {flags} -o app bed.cc"));
        let address = folder.address("app", "_ZN6garden3Bed5plantEi") + 4;
        let (found, names) = folder.resolve("app", &folder.build_id("app"), address);
        assert_eq!((found, names[0].function.as_deref()), (origin, Some("garden::Bed::plant(int)")));
    }
}

#[test]
fn data_is_named_by_the_symbol_that_it_lies_in() {
    let folder = Folder::new("data");
    let source = "struct { long a, b; } garden = {1, 2}; static char shed[16]; const long stone = 3; __thread long own;\n\
                  int main(void) { own = garden.a + stone; return shed[0]; }\n";
    fs::write(folder.join("app.c"), source).unwrap();
    folder.run("gcc -g -Wl,--build-id -rdynamic -o app app.c; nm -S app");
    let key = || ModuleKey { path: folder.join("app"), build_id: folder.build_id("app") };
    let [garden, shed, stone] = ["garden", "shed", "stone"].map(|symbol| folder.address("app", symbol));
    let named = || {
        let data = BTreeSet::from([garden, garden + 8, shed + 15, stone, 1 << 40]);
        let requests = HashMap::from([(key(), Wanted { data, ..Wanted::default() })]);
        let answers = resolve(requests, &Places::below(&folder.join("debug")));
        let answer = answers.get(&key()).unwrap();
        assert_eq!(answer.origin, Origin::Unasked);
        let found: BTreeMap<u64, (String, u64)> =
            answer.data.iter().map(|(&at, datum)| (at, (datum.name.clone(), datum.offset))).collect();
        found
    };
    let in_garden = [(garden, ("garden".to_owned(), 0)), (garden + 8, ("garden".to_owned(), 8))];
    let in_shed = (shed + 15, ("shed".to_owned(), 15));
    assert_eq!(named(), BTreeMap::from_iter(in_garden.clone().into_iter().chain([in_shed])));
    // Exported data keeps its name.
    folder.run("strip app");
    assert_eq!(named(), BTreeMap::from(in_garden));
}

#[test]
fn many_modules_are_named_at_once_and_alike() {
    let folder = plant("many", "-g");
    let (address, build_id) = (call_of_malloc(&folder, "app"), folder.build_id("app"));
    folder.run("for n in 1 2 3 4 5 6 7 8; do cp app app$n; done");
    let key = |number| ModuleKey { path: folder.join(&format!("app{number}")), build_id: build_id.clone() };
    let wanted = || Wanted { code: BTreeSet::from([address, 1 << 40]), ..Wanted::default() };
    let requests = (1..=8).map(|number| (key(number), wanted())).collect();
    let answers = super::resolve(requests, &Places::below(&folder.join("debug")));
    assert_eq!(answers.len(), 8);
    for number in 1..=8 {
        let answer = answers.get(&key(number)).unwrap();
        assert_eq!(answer.names.len(), 1);
        assert_eq!(places(&answer.names[&address]), EXPECTED);
    }
}

/// Three units of C, each with the same inlined call, and one of assembly, which calls the first; in `app`.
fn garden(name: &str, compress: &str) -> Folder {
    let folder = Folder::new(name);
    let shared = "static inline __attribute__((always_inline)) int dig(int depth) { return puts(\"dig\") + depth; }\n";
    fs::write(folder.join("dig.h"), format!("#include <stdio.h>\n{shared}")).unwrap();
    for bed in ["one", "two", "three"] {
        let source = format!("#include \"dig.h\"\nint bed_{bed}(int depth) {{\n  return dig(depth) * 3;\n}}\n");
        fs::write(folder.join(&format!("{bed}.c")), source).unwrap();
    }
    fs::write(folder.join("main.c"), "int path(void); int main(void) { return path(); }\n").unwrap();
    let assembly = ".globl path\n.text\npath:\n  mov $1, %edi\n  jmp bed_one\n.section .note.GNU-stack\n";
    fs::write(folder.join("path.s"), assembly).unwrap();
    folder.run(&format!(
        "for n in one two three main; do gcc -g -O2 -c $n.c; done; as -g -o path.o path.s
         gcc -Wl,--build-id {compress} -o app main.o one.o path.o two.o three.o"
    ));
    folder
}

/// The names of all code of the three beds and the path, and what `.debug_info` was read for them.
fn names_of_garden(folder: &Folder, file: &str) -> (BTreeMap<u64, Vec<Name>>, Option<Vec<u8>>) {
    let places = ["bed_one", "path", "bed_two", "bed_three"].map(|symbol| folder.address(file, symbol));
    let addresses: BTreeSet<u64> = places.into_iter().flat_map(|place| place..place + 24).collect();
    let found = ElfFile::open(&folder.join(file)).unwrap();
    let info = units::near(&found, &addresses).map(|[_, info, ..]| info.1);
    let names = lines::names(&found, None, &addresses).unwrap();
    (names.into_iter().collect(), info)
}

#[test]
fn the_units_of_the_addresses_give_the_names_that_all_units_give() {
    for compress in ["-gz=none", "-gz=zlib"] {
        let folder = garden("near", compress);
        folder.run("cp app whole; objcopy --remove-section .debug_aranges whole");
        let (near, info) = names_of_garden(&folder, "app");
        assert!(info.is_some() && near.len() > 60, "{} names", near.len());
        let (whole, all) = names_of_garden(&folder, "whole");
        assert_eq!((near, all), (whole, None));
        // An address of one unit needs that one alone, wherever it stands.
        let bed = folder.address("app", "bed_two");
        let found = ElfFile::open(&folder.join("app")).unwrap();
        let [_, (_, info), ..] = units::near(&found, &BTreeSet::from([bed])).unwrap();
        assert_eq!(info[4..8], [5, 0, 2, 8], "what stands before is hidden in a type unit");
        let expected = [("bed_two", "two.c", 2)];
        let names = lines::names(&found, None, &BTreeSet::from([bed])).unwrap();
        assert_eq!(places(&names[&bed]), expected);
    }
}

#[test]
fn a_unit_that_is_not_listed_is_looked_at_for_addresses_of_no_listed_unit() {
    let folder = garden("unlisted", "");
    folder.run(
        "objcopy --remove-section .debug_aranges two.o; gcc -Wl,--build-id -o app main.o one.o two.o three.o path.o",
    );
    folder.run("cp app whole; objcopy --remove-section .debug_aranges whole");
    let (near, info) = names_of_garden(&folder, "app");
    assert!(info.is_some());
    assert_eq!(near, names_of_garden(&folder, "whole").0);
    assert!(near.values().any(|names| places(names).contains(&("dig", "dig.h", 2))));
}

#[test]
fn a_unit_that_refers_to_another_brings_all() {
    let folder = garden("referring", "");
    let (before, _) = names_of_garden(&folder, "app");
    // What the units have in common goes into one of its own.
    folder.run("dwz -l none app; readelf --debug-dump=info app | grep -q 'DW_TAG_partial_unit'");
    assert_eq!(names_of_garden(&folder, "app").0, before);
}

#[test]
fn a_module_that_is_cut_short_while_it_is_read_has_fewer_names() {
    let folder = garden("shorter", "-gz=zlib");
    let addresses = BTreeSet::from([folder.address("app", "bed_two"), 0x40]);
    let length = fs::metadata(folder.join("app")).unwrap().len();
    for part in (0..64).rev() {
        let found = ElfFile::open(&folder.join("app")).unwrap();
        fs::File::options().write(true).open(folder.join("app")).unwrap().set_len(length * part / 64).unwrap();
        lines::names(&found, None, &addresses);
        let tables = found.symbol_tables();
        assert!(tables.iter().all(|table| found.functions(table).count() < 1000));
        assert!(!found.for_each_piece(|_| ()));
        folder.run("gcc -Wl,--build-id -gz=zlib -o app main.o one.o path.o two.o three.o");
    }
}

#[test]
fn a_damaged_module_is_read_as_far_as_it_goes() {
    let folder = plant("damaged", "-g -gz=zlib");
    let (address, build_id) = (call_of_malloc(&folder, "app"), folder.build_id("app"));
    let whole = fs::read(folder.join("app")).unwrap();
    for round in 0..300usize {
        let mut bytes = whole.clone();
        // Some places of the headers, of the section headers at the end, and all over.
        let place = [round % 64, bytes.len() - 1 - round * 7, round * bytes.len() / 300][round % 3];
        bytes[place] ^= 0xff;
        fs::write(folder.join("broken"), &bytes).unwrap();
        folder.resolve("broken", &build_id, address);
        fs::write(folder.join("broken"), &whole[..round * whole.len() / 300]).unwrap();
        folder.resolve("broken", &build_id, address);
    }
}

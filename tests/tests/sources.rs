//! Source sites: what the macros of memtrace.h give is named by file, line, function and type, and they are the same
//! program without the library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use memtrace_tests::{How, Place, Process, Recording, workspace};

const MACROS: &str = include_str!("sources/macros.c");
const ADAPTERS: &str = include_str!("sources/adapters.c");

/// Compilers and what they are told, all of it: warnings are errors.
const BUILDS: &[(&str, &str)] = &[
    ("gcc", "-std=c89"),
    ("gcc", "-std=c99 -O2"),
    ("gcc", "-std=c11"),
    ("gcc", "-std=c17 -O2 -flto -s"),
    ("g++", "-xc++ -std=c++11"),
    ("g++", "-xc++ -std=c++20 -O2"),
    ("clang", "-std=c89"),
    ("clang", "-std=c11 -O2 -s"),
    ("clang++", "-xc++ -std=c++11"),
    ("clang++", "-xc++ -std=c++20 -O2"),
];

/// The program. `None`: there is no such compiler.
fn build(place: &Place, source: &Path, compiler: &str, flags: &str) -> Option<PathBuf> {
    let program = place.join(&place.unused_name());
    let mut command = Command::new(compiler);
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", "-fno-builtin"]);
    command.arg(format!("-I{}", workspace().join("shim/include").display())).args(flags.split_whitespace());
    let output = command.arg(source).arg("-o").arg(&program).output().ok()?;
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    Some(program)
}

/// Line in `macros.c` of the text `what`.
fn line(what: &str) -> u64 {
    line_of(MACROS, what)
}

fn line_of(text: &str, what: &str) -> u64 {
    let found = text.lines().position(|line| line.contains(what));
    found.unwrap_or_else(|| panic!("{what} is not there")) as u64 + 1
}

/// What a profile says of source sites in a file: by line, function called, type, blocks and bytes ever.
fn named(process: &Process, file: &str, function: &str) -> BTreeMap<u64, (String, String, u64, u64)> {
    let frames = process.json["frames"].as_array().expect("a list");
    let places = process.json["stacks"].as_array().expect("a list");
    let sites = process.json["sites"].as_array().expect("a list").iter().filter_map(|site| {
        let stack = &places[site["stack"].as_u64().expect("a place") as usize];
        let leaf = &frames[stack[0].as_u64().expect("a place") as usize];
        (leaf["kind"] == "source").then(|| {
            let text = |value: &memtrace_tests::Json| value.as_str().expect("a text").to_owned();
            assert_eq!((text(&leaf["function"]).as_str(), leaf["offset"].as_str()), (function, Some("0x0")));
            assert!(text(&leaf["file"]).ends_with(file), "{leaf}");
            let number = |name: &str| site[name].as_u64().expect("a number");
            let row = (text(&site["op"]), text(&leaf["type"]), number("total_blocks"), number("total_bytes"));
            (leaf["line"].as_u64().expect("a line"), row)
        })
    });
    sites.collect()
}

#[test]
fn every_macro_is_named_by_line_function_and_type_in_every_language() {
    let place = Place::new();
    let source = place.write("macros.c", MACROS);
    let row = |op: &str, kind: &str, bytes| (op.to_owned(), kind.to_owned(), 1, bytes);
    let expected = BTreeMap::from([
        (line("once(11)"), row("malloc", "pair_t *", 11)),
        (line("once(3)"), row("calloc", "int *", 12)),
        (line("once(13)"), row("realloc", "unsigned char *", 13)),
        (line("once(1300)"), row("realloc", "unsigned char *", 1300)),
        (line("once(64)"), row("aligned_alloc", "float *", 128)),
        (line("once(17)"), row("aligned_alloc", "float *", 32)),
        (line("once(9)"), row("aligned_alloc", "unsigned char *", 32)),
        (line("\"a text\""), row("malloc", "char *", 7)),
        (line("SAFE_MALLOC(21"), row("malloc", "const char *", 21)),
        (line("SIZE(31)"), row("malloc", "void *", 31)),
        (line("CAST(32"), row("malloc", "pair_t *", 32)),
        (line("PTR_SIZE(pair, 33)"), row("malloc", "void *", 33)),
        (line("PTR_TYPE_COUNT(pair"), row("malloc", "pair_t *", 40)),
        (line("TYPE_COUNT(pair_t, 6)"), row("malloc", "pair_t *", 48)),
    ]);
    let mut built = 0;
    for (compiler, flags) in BUILDS {
        let Some(program) = build(&place, &source, compiler, flags) else { continue };
        built += 1;
        for how in [How::Native, How::Bare, How::Run] {
            let ended = place.job(how, &program).record();
            let said = ended.stdout.as_str();
            assert_eq!((said, ended.code()), ("10 evaluated, 1, 1 freed, 1 of 1 refused, 2 aligned\n", Some(0)));
            if how != How::Native {
                assert_eq!(named(ended.process(), "macros.c", "all"), expected, "{compiler} {flags} {how:?}");
            }
        }
    }
    assert!(built >= 6, "no compiler was found");
}

#[test]
fn macros_that_go_through_an_allocation_backend_are_named_too() {
    let place = Place::new();
    let source = place.write("adapters.c", ADAPTERS);
    let row = |op: &str, bytes| (op.to_owned(), "void *".to_owned(), 1, bytes);
    let line = |what: &str| line_of(ADAPTERS, what);
    let expected = BTreeMap::from([
        (line("once(11)"), row("malloc", 11)),
        (line("once(3)"), row("calloc", 12)),
        (line("once(13)"), row("realloc", 13)),
        (line("once(1300)"), row("realloc", 1300)),
    ]);
    let mut built = 0;
    for (compiler, flags) in BUILDS {
        let Some(program) = build(&place, &source, compiler, flags) else { continue };
        built += 1;
        for how in [How::Native, How::Bare, How::Run] {
            let ended = place.job(how, &program).record();
            assert_eq!((ended.stdout.as_str(), ended.code()), ("1 0 5 1\n", Some(0)));
            if how == How::Native {
                continue;
            }
            let mut sites = ended.process().sites.clone();
            let is_tracked = |site: &memtrace_tests::Site| site.frames[0].function == "aligned_here";
            let tracked = sites.iter().find(|site| is_tracked(site)).expect("it is told");
            let own = (tracked.op.as_str(), tracked.number("total_bytes"), tracked.frames[0].line);
            assert_eq!(own, ("aligned_alloc", 64, line("aligned_here(64")), "{compiler} {flags} {how:?}");
            sites.retain(|site| site.frames[0].kind == "source" && !is_tracked(site));
            let found = sites.iter().map(|site| (site.frames[0].line, row(&site.op, site.number("total_bytes"))));
            assert_eq!(found.collect::<BTreeMap<_, _>>(), expected, "{compiler} {flags} {how:?}");
            assert!(sites.iter().all(|site| site.frames[0].function == "all" && site.number("total_blocks") == 1));
        }
    }
    assert!(built >= 6, "no compiler was found");
}

#[test]
fn a_block_without_a_site_is_no_leak() {
    let place = Place::new();
    let text = "#include \"memtrace.h\"\n\
        int main(void) {\n    void *volatile block = UNTRACKED_MALLOC(22, void *);\n    block = NULL;\n\
        \x20   block = SAFE_MALLOC(23, void *);\n    block = NULL;\n    return block != NULL;\n}\n";
    let program = build(&place, &place.write("untracked.c", text), "gcc", "-std=c11 -g").expect("there is a compiler");
    let said = place.job(How::Bare, program).run().stderr;
    assert!(said.contains("23 bytes in 1 blocks are definitely lost\n    at main (untracked.c:5, void *)"), "{said}");
    assert!(said.contains("still reachable: 22 bytes in 1 blocks"), "{said}");
}

#[test]
fn a_failed_allocation_is_named_and_its_point_has_the_same_name_in_every_run() {
    let place = Place::new();
    let program = build(&place, &place.write("macros.c", MACROS), "gcc", "-std=c11 -s").expect("there is a compiler");
    let job = place.job(How::Run, &program).env("MALLOC_FAIL_AFTER", "0");
    let ended = job.record();
    let fault = &ended.process().faults[0];
    assert_eq!((fault.bytes, fault.op.as_str()), (11, "malloc"), "{}", ended.stderr);
    let frame = &fault.frames[0];
    assert_eq!((frame.kind.as_str(), frame.function.as_str(), frame.line), ("source", "all", line("once(11)")));
    let names = [(); 2].map(|()| {
        let recording = Recording::create(&place, &["MALLOC_FAIL_POINTS=1"]);
        place.job(How::Bare, &program).env("MEMTRACE_RUN", recording.way()).run();
        let image = recording.images().remove(0);
        image.points.iter().map(|point| point.name.get()).collect::<Vec<u64>>()
    });
    assert!(names[0] == names[1] && names[0].len() >= 14, "{names:?}");
}

#[test]
fn allocations_fail_by_source_file_and_line_and_by_the_function_that_a_site_names() {
    let place = Place::new();
    let program = build(&place, &place.write("macros.c", MACROS), "gcc", "-std=c11 -s").expect("there is a compiler");
    let at = line("once(13)");
    let failed = |name: &str, value: &str| {
        let ended = place.job(How::Run, &program).env(name, value).record();
        ended.process().faults.iter().map(|fault| fault.bytes).collect::<Vec<u64>>()
    };
    for (name, value, expected) in [
        ("MALLOC_FAIL_FILE", "macros.c", &[11][..]),
        ("MALLOC_FAIL_FILE", "other.c,*/macr?s.c", &[11]),
        ("MALLOC_FAIL_FILE", &format!("macros.c:{at}"), &[13]),
        ("MALLOC_FAIL_FILE", &format!("macros.c:{at},macros.c:{}", line("once(3)")), &[12]),
        ("MALLOC_FAIL_FILE", "macros.c:1", &[]),
        ("MALLOC_FAIL_FILE", "other.c", &[]),
        // The program has no symbols.
        ("MALLOC_FAIL_CALLER", "all", &[11]),
        ("MALLOC_FAIL_IN", "al?", &[11]),
        ("MALLOC_FAIL_CALLER", "main", &[]),
    ] {
        assert_eq!(failed(name, value), expected, "{name}={value}");
    }
}

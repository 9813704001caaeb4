//! MEMTRACE_BUNDLED: what is linked in is recorded as the C library's is, or it is said why not, and the program is as before
//! in either case.

use std::path::{Path, PathBuf};
use std::process::Command;

use memtrace_tests::{Ended, How, Place, Process, pair, workspace};

const ASKED: (&str, &str) = ("MEMTRACE_BUNDLED", "1");
/// Functions of the program's, with the prefix that they have.
const NAMES: [(&str, &str); 6] = [
    ("MALLOC", "malloc"),
    ("CALLOC", "calloc"),
    ("REALLOC", "realloc"),
    ("ALIGNED_ALLOC", "aligned_alloc"),
    ("POSIX_MEMALIGN", "posix_memalign"),
    ("FREE", "free"),
];
/// Functions of the program's, and how often each allocates.
const ALLOCATIONS: [(&str, u64); 5] =
    [("works", 4 * 5000 * 4), ("planted", 7), ("moved", 3 * 3), ("aligned", 2), ("refused", 1)];

fn part(name: &str) -> PathBuf {
    workspace().join("tests/tests/bundled").join(name)
}

/// The program with an allocator whose functions have this prefix.
fn program(place: &Place, prefix: &str, more: &[&str]) -> PathBuf {
    let names: Vec<String> = NAMES.iter().map(|(name, function)| format!("-D{name}={prefix}{function}")).collect();
    // Nothing is left out because its result is not used.
    let mut flags: Vec<&str> = vec!["-w", "-pthread", "-fno-builtin"];
    flags.extend(names.iter().map(String::as_str));
    flags.extend(more);
    place.compile(&part("program.c"), "program", &flags)
}

/// jemalloc as an archive, if it is installed.
fn jemalloc() -> Option<String> {
    let output = Command::new("cc").arg("-print-file-name=libjemalloc.a").output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    if !Path::new(&path).is_absolute() {
        eprintln!("libjemalloc.a is not installed: real ones are not hooked");
        return None;
    }
    Some(path)
}

/// The same under the names that it has in Rust programs.
fn renamed(place: &Place, archive: &str) -> String {
    let functions =
        ["mallocx", "rallocx", "xallocx", "sallocx", "dallocx", "sdallocx", "nallocx", "memalign", "valloc"];
    let all = NAMES.iter().map(|(_, function)| *function).chain(functions).chain(["malloc_usable_size", "mallctl"]);
    let names: String = all.map(|name| format!("{name} _rjem_{name}\n")).collect();
    let to = place.join("renamed.a").to_string_lossy().into_owned();
    let list = place.write("names", &names);
    let status = Command::new("objcopy").arg("--redefine-syms").arg(list).args([archive, &to]).status();
    assert!(status.expect("binutils are installed").success());
    to
}

/// Both ways: the program is as before, and everything is known of its blocks.
fn is_recorded(place: &Place, program: &Path, allocator: &str) {
    let native = place.job(How::Native, program).run();
    assert_eq!((native.stdout.as_str(), native.code()), ("child 5\n", Some(3)), "{}", native.stderr);
    for how in [How::Bare, How::Run] {
        let job = place.job(how, program).env(ASKED.0, ASKED.1);
        let ended = job.record();
        assert_eq!((&ended.stdout, ended.code()), (&native.stdout, native.code()), "{how:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("not recorded"), "{how:?}: {}", ended.stderr);
        let all: Vec<Process> = all_processes(&ended);
        assert_eq!(all.len(), 2, "{how:?}");
        let (children, parents): (Vec<_>, Vec<_>) =
            all.iter().partition(|process| process.json["forked"].as_bool() == Some(true));
        let (parent, child) = (parents[0], children[0]);
        let row = &parent.json["bundled"][0];
        assert_eq!((row["allocator"].as_str(), row.get("why")), (Some(allocator), None), "{row}");
        assert_eq!(row, &child.json["bundled"][0]);
        assert!(parent.losses().is_empty(), "{:?}", parent.losses());
        for (function, count) in ALLOCATIONS {
            assert_eq!(parent.sum(function, "total_blocks"), count, "{how:?}: {function}");
        }
        assert_eq!(parent.live("planted"), (7 * 4321, 7));
        assert_eq!(parent.live("moved"), (3 * 2345, 3));
        assert_eq!(parent.live("aligned"), (777 + 256, 2));
        assert_eq!(parent.live("refused"), (3333, 1));
        assert_eq!((parent.live("works"), parent.live("churns")), ((0, 0), (0, 0)));
        assert_eq!(child.live("planted"), (7 * 4321, 7));
        // Its own tables may hold some.
        for function in ["planted", "moved"] {
            assert!(parent.of_kind(function, "definite").1 > 0, "{how:?}: {function}: {}", ended.stderr);
        }
    }
}

fn all_processes(ended: &Ended) -> Vec<Process> {
    ended.profiles.iter().flat_map(|path| memtrace_tests::read_profile(path)).collect()
}

#[test]
fn jemalloc_in_the_place_of_the_c_library_s() {
    let place = Place::new();
    let Some(archive) = jemalloc() else { return };
    let program = program(&place, "", &[&archive, "-lm", "-lstdc++"]);
    is_recorded(&place, &program, "jemalloc");
    // Without the setting it is left alone, and the report says so.
    let ended = place.job(How::Run, &program).run();
    assert!(ended.stderr.contains("it has a malloc of its own"), "{}", ended.stderr);
}

#[test]
fn jemalloc_under_names_of_its_own_wherever_the_program_lies() {
    let place = Place::new();
    let Some(archive) = jemalloc() else { return };
    let archive = renamed(&place, &archive);
    for more in [&["-pie"][..], &["-no-pie"], &["-pie", "-fcf-protection=full"]] {
        let flags = [&[&archive, "-lm"][..], more].concat();
        is_recorded(&place, &program(&place, "_rjem_", &flags), "jemalloc");
    }
}

#[test]
fn what_an_allocator_calls_of_itself_is_no_call_of_the_program_s() {
    let place = Place::new();
    for more in [&["-O1"][..], &["-O2"], &["-O2", "-no-pie", "-fcf-protection=full"]] {
        let header = part("mimalloc.h").to_string_lossy().into_owned();
        let flags = [&["-include", &header][..], more].concat();
        is_recorded(&place, &program(&place, "mi_", &flags), "mimalloc");
    }
}

#[test]
fn its_allocations_fail_where_they_are_asked_to() {
    let place = Place::new();
    let header = part("mimalloc.h").to_string_lossy().into_owned();
    let source = "#include <stdio.h>
        int main(void) {
            void *p = mi_malloc(10), *q = mi_malloc(20), *into = p;
            errno = 0;
            int error = mi_posix_memalign(&into, 64, 10);
            printf(\"%d %d %d %d\\n\", p != 0, q != 0, error == ENOMEM && errno == 0, into == p);
            mi_free(p);
            return 0;
        }";
    let program = place.c("program", source, &["-w", "-include", &header]);
    for how in [How::Bare, How::Run] {
        let job = place.job(how, &program).env(ASKED.0, ASKED.1).env("MALLOC_FAIL_AT", "2,3");
        assert_eq!(job.run().stdout, "1 0 1 1\n", "{how:?}");
    }
}

/// One of its functions cannot be hooked: none is, and it is said why.
#[test]
fn what_cannot_be_hooked_is_refused_by_name() {
    let place = Place::new();
    let source = |first: &str| {
        format!(
            "#include <stdlib.h>
            #define NAKED __attribute__((naked, noinline))
            void inner(void) {{}}
            static char heap[4096];
            void *here(void) {{ return heap; }}
            __attribute__((noinline)) void _rjem_free(void *p) {{ *(volatile char *)p = 1; *(volatile char *)p = 2; }}
            NAKED void *_rjem_malloc(unsigned long n) {{ asm(\"{first}; jmp here\"); }}
            int main(void) {{ _rjem_free(_rjem_malloc(1000)); return 0; }}"
        )
    };
    for (first, why) in [
        ("mov %rdi, %rcx; jrcxz 1f; 1: nop; nop", "`malloc` begins with an instruction that cannot be moved"),
        ("nop; 1: nop; nop; nop; nop; dec %rdi; jnz 1b", "`malloc` has a jump into its first instructions"),
        ("vmovdqu64 %zmm0, %zmm1", "`malloc` has an instruction that is not known"),
    ] {
        let program = place.c("program", &source(first), &["-w", "-O2"]);
        let ended = place.job(How::Run, &program).env(ASKED.0, ASKED.1).record();
        if ended.signal() == Some(libc_sigill()) {
            eprintln!("this processor has no AVX-512: not tried");
            continue;
        }
        assert_eq!(ended.code(), Some(0), "{first}: {}", ended.stderr);
        assert!(ended.stderr.contains("jemalloc is linked into program"), "{}", ended.stderr);
        assert!(ended.stderr.contains(why), "{first}: {}", ended.stderr);
        let checked = place.job(How::Native, &pair().command).args(["check", "--"]).arg(&program).env(ASKED.0, ASKED.1);
        let checked = checked.run();
        assert_eq!(checked.code(), Some(2), "{}", checked.stderr);
        assert!(checked.stderr.contains(why), "{}", checked.stderr);
    }
}

/// SIGILL of Linux.
fn libc_sigill() -> i32 {
    4
}

#[test]
fn a_check_of_what_is_hooked_is_data() {
    let place = Place::new();
    let header = part("mimalloc.h").to_string_lossy().into_owned();
    let check = |body: &str| {
        let source = format!("int main(void) {{ {body} return 0; }}");
        let program = place.c("program", &source, &["-w", "-include", &header]);
        let job = place.job(How::Native, &pair().command).args(["check", "--"]).arg(&program).env(ASKED.0, ASKED.1);
        let checked = job.run();
        (checked.code(), checked.stderr)
    };
    assert_eq!(check("mi_free(mi_malloc(10));").0, Some(0));
    assert_eq!(check("char *volatile p = mi_malloc(10); p[0] = 1; p = 0;").0, Some(1));
}

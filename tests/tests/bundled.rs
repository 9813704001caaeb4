//! An allocator that is linked into a program under names of its own is named: its blocks never come by malloc, so a
//! report without leaks, or a green check, would say nothing.

#[path = "bundled/hooked.rs"]
mod hooked;

use memtrace_tests::{How, Place, pair};

/// As a Rust program with jemalloc as its allocator looks from outside.
const PROGRAM: &str = "
    #include <stdlib.h>
    static char heap[1 << 16];
    static unsigned long used;
    __attribute__((noinline)) void *_rjem_malloc(unsigned long n) { used += (n + 15) / 16 * 16; return heap + used - n; }
    __attribute__((noinline)) void *_rjem_mallocx(unsigned long n, int flags) { return flags ? 0 : _rjem_malloc(n); }
    int main(void) { char *volatile lost = _rjem_mallocx(1000, 0); lost[0] = 1; lost = 0; free(malloc(10)); return 0; }
";

const SAID: &str = "jemalloc is linked into";

#[test]
fn run_and_report_name_it() {
    let place = Place::new();
    let program = place.c("program", PROGRAM, &["-w"]);
    let ended = place.job(How::Run, &program).record();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains(SAID), "{}", ended.stderr);
    let shown = place.job(How::Native, &pair().command).arg("report").arg(&ended.profiles[0]).run();
    assert!(shown.stdout.contains(SAID), "{}", shown.stdout);
    let modules = ended.process().json["modules"].as_array().expect("a list");
    let flags = |module: &memtrace_tests::Json| module["flags"].to_string();
    assert!(modules.iter().any(|module| flags(module).contains("allocator:jemalloc")), "{modules:?}");
}

#[test]
fn a_check_of_it_is_no_data_and_never_green() {
    let place = Place::new();
    let program = place.c("program", PROGRAM, &["-w"]);
    let checked = place.job(How::Native, &pair().command).args(["check", "--"]).arg(&program).run();
    assert_eq!(checked.code(), Some(2), "{}", checked.stderr);
    assert!(checked.stderr.contains("jemalloc is linked into it"), "{}", checked.stderr);
    // What comes by malloc is found all the same.
    let leaky = PROGRAM.replace("free(malloc(10));", "char *volatile p = malloc(4000); p = 0;");
    let leaky = place.c("leaky", &leaky, &["-w"]);
    let checked = place.job(How::Native, &pair().command).args(["check", "--"]).arg(&leaky).run();
    assert_eq!(checked.code(), Some(1), "{}", checked.stderr);
    assert!(checked.stderr.contains("jemalloc is linked into it"), "{}", checked.stderr);
}

#[test]
fn a_program_without_one_is_clean() {
    let place = Place::new();
    // It calls such functions where somebody else has them, and mentions their names.
    let source = "#include <stdlib.h>\nvoid *mi_malloc(unsigned long) __attribute__((weak));\nconst char *text = \"_rjem_malloc\";
        int main(void) { free(mi_malloc ? mi_malloc(1) : malloc(1)); return 0; }";
    let program = place.c("program", source, &["-w"]);
    let checked = place.job(How::Native, &pair().command).args(["check", "--"]).arg(&program).run();
    assert_eq!(checked.code(), Some(0), "{}", checked.stderr);
    assert!(!checked.stderr.contains("is linked into"), "{}", checked.stderr);
}

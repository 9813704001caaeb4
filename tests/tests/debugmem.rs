//! libmemtrace_debugmem.so: code that gives file and line with each allocation has them in the report, without being
//! recompiled, and does the same as before without memtrace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use memtrace_tests::{Ended, How, Place, pair};

/// As a build of the first reviewed program does it: functions of its own, in a library of its own.
const OWN: &str = r#"
#include <stdio.h>
#include <stdlib.h>
void *debug_malloc(size_t size, const char *file, int line) { puts("own"); (void)file; (void)line; return malloc(size); }
void *debug_calloc(size_t count, size_t size, const char *file, int line) { (void)file; (void)line; return calloc(count, size); }
void *debug_realloc(void *p, size_t size, const char *file, int line) { (void)file; (void)line; return realloc(p, size); }
void debug_free(void *p, const char *file, int line) { (void)file; (void)line; free(p); }
void debug_track_aligned(void *p, size_t size, const char *file, int line) { (void)p; (void)size; (void)file; (void)line; }
"#;

const USER: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
void *debug_malloc(size_t size, const char *file, int line);
void *debug_calloc(size_t count, size_t size, const char *file, int line);
void *debug_realloc(void *ptr, size_t size, const char *file, int line);
void debug_free(void *ptr, const char *file, int line);
void debug_track_aligned(void *ptr, size_t size, const char *file, int line);
#define APART __attribute__((noinline))
static APART char *load(void) { char *p = debug_malloc(10, "src/load.c", 101); memset(p, 1, 10); return p; }
static APART char *zeroed(void) { char *p = debug_calloc(3, 7, "src/load.c", 102); p[1] = 1; return p; }
static APART char *grown(char *p) { char *q = debug_realloc(p, 1000, "src/grow.c", 103); q[2] = 1; return q; }
static APART char *aligned(void) {
    char *p = aligned_alloc(64, 128);
    debug_track_aligned(p, 128, "src/simd.c", 104);
    debug_track_aligned(p, 128, "src/simd.c", 105);
    return p;
}
int main(void) {
    char *a = load(), *b = zeroed(), *c = aligned(), *d;
    int sum = a[0] + a[9] + b[0] + b[1] + (int)((size_t)c % 64);
    debug_track_aligned(NULL, 1, "x", 1);
    debug_track_aligned(&sum, 1, "x", 1);
    debug_track_aligned(c + 16, 1, NULL, -1);
    a = grown(a);
    d = grown(NULL);
    printf("%d %d\n", sum, a[2]);
    debug_free(b, "src/load.c", 106);
    debug_free(a, "src/load.c", 107);
    debug_free(NULL, "src/load.c", 107);
    debug_free(d, NULL, 0);
    free(c);
    return 0;
}
"#;

/// Of sites that a source names: line, file and function, blocks and bytes ever, live blocks.
type Named = BTreeMap<u64, (String, String, u64, u64, u64)>;

fn named(ended: &Ended) -> Named {
    let mut named = Named::new();
    for site in ended.process().sites.iter().filter(|site| site.frames[0].kind == "source") {
        let own = &site.frames[0];
        assert!(site.frames[1..].iter().all(|frame| frame.kind != "source"));
        let odd = site.frames.iter().find(|frame| frame.module.contains("debugmem"));
        assert!(odd.is_none(), "{odd:?} stands in the stack");
        // The function is that of the call, of which the source says nothing.
        assert_eq!(own.function, site.frames[1].function);
        let [blocks, bytes, live] = ["total_blocks", "total_bytes", "live_blocks"].map(|key| site.number(key));
        let sum = named.entry(own.line).or_insert_with(|| (own.file.clone(), own.function.clone(), 0, 0, 0));
        (sum.2, sum.3, sum.4) = (sum.2 + blocks, sum.3 + bytes, sum.4 + live);
    }
    named
}

fn preload(libraries: &[&Path]) -> String {
    libraries.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
}

/// The program with its own library, which ours stands before.
fn user(place: &Place) -> PathBuf {
    place.c("libown.so", OWN, &["-shared", "-fPIC"]);
    let directory = place.path().display();
    place.c(
        "user",
        USER,
        &["-O1", "-fno-builtin", "-L", &directory.to_string(), "-l:libown.so", &format!("-Wl,-rpath,{directory}")],
    )
}

#[test]
fn code_that_calls_debug_malloc_has_its_places_in_the_report() {
    let place = Place::new();
    let program = user(&place);
    let site = |file: &str, function: &str, blocks, bytes| (file.to_owned(), function.to_owned(), blocks, bytes, 0);
    let expected = Named::from([
        (101, site("src/load.c", "load", 1, 10)),
        (102, site("src/load.c", "zeroed", 1, 21)),
        (103, site("src/grow.c", "grown", 2, 2000)),
        (105, site("src/simd.c", "aligned", 1, 128)),
    ]);
    let native = place.job(How::Native, &program).run();
    assert_eq!((native.stdout.as_str(), native.code()), ("own\n3 1\n", Some(0)));
    let both = preload(&[&pair().library, &pair().debugmem]);
    let ended = place.job(How::Bare, &program).library(both).record();
    assert_eq!((ended.stdout.as_str(), ended.code()), ("3 1\n", Some(0)), "{}", ended.stderr);
    assert_eq!(named(&ended), expected);
    assert_eq!(ended.process().losses(), BTreeMap::new());
    assert_eq!(ended.process().summary("unknown_frees"), 0);
    // Alone it is malloc.
    let ended = place.job(How::Native, &program).env("LD_PRELOAD", &pair().debugmem).run();
    assert_eq!((ended.stdout.as_str(), ended.code()), ("3 1\n", Some(0)), "{}", ended.stderr);
}

#[test]
fn a_program_can_be_linked_with_it() {
    let place = Place::new();
    let directory = pair().debugmem.parent().expect("it lies somewhere").display().to_string();
    let flags = ["-O1", "-g", "-fno-builtin", "-L", &directory, "-l:libmemtrace_debugmem.so"];
    let program = place.c("linked", USER, &[&flags[..], &[&format!("-Wl,-rpath,{directory}")]].concat());
    let ended = place.job(How::Native, &program).run();
    assert_eq!((ended.stdout.as_str(), ended.code()), ("3 1\n", Some(0)), "{}", ended.stderr);
    let ended = place.job(How::Run, &program).record();
    assert_eq!(named(&ended).keys().copied().collect::<Vec<u64>>(), [101, 102, 103, 105]);
}

/// A model of a debug build of libcurl: a header of 16 bytes, and line before source.
const CURL: &str = r#"
#include <stdlib.h>
#include <string.h>
struct memdebug { size_t size; union { double d; void *p; } mem[1]; };
#define HEADER 16
void *curl_dbg_malloc(size_t size, int line, const char *source) {
    struct memdebug *mem = malloc(HEADER + size);
    (void)line; (void)source;
    if (!mem) return NULL;
    mem->size = size;
    return (char *)mem + HEADER;
}
void *curl_dbg_calloc(size_t count, size_t size, int line, const char *source) {
    void *p = curl_dbg_malloc(count * size, line, source);
    return p ? memset(p, 0, count * size) : p;
}
void *curl_dbg_realloc(void *p, size_t size, int line, const char *source) {
    struct memdebug *mem = realloc(p ? (char *)p - HEADER : NULL, HEADER + size);
    (void)line; (void)source;
    if (!mem) return NULL;
    mem->size = size;
    return (char *)mem + HEADER;
}
char *curl_dbg_strdup(const char *text, int line, const char *source) {
    size_t bytes = strlen(text) + 1;
    char *copy = curl_dbg_malloc(bytes, line, source);
    return copy ? memcpy(copy, text, bytes) : NULL;
}
void curl_dbg_free(void *p, int line, const char *source) { (void)line; (void)source; if (p) free((char *)p - HEADER); }
"#;

const CURL_USER: &str = r#"
#include <stdio.h>
#include <stdlib.h>
void *curl_dbg_malloc(size_t size, int line, const char *source);
void *curl_dbg_calloc(size_t count, size_t size, int line, const char *source);
void *curl_dbg_realloc(void *p, size_t size, int line, const char *source);
char *curl_dbg_strdup(const char *text, int line, const char *source);
void curl_dbg_free(void *p, int line, const char *source);
#define APART __attribute__((noinline))
APART void *easy(void) { char *p = curl_dbg_malloc(20, 201, "easy.c"); p[0] = 1; return p; }
APART void *multi(void) { char *p = curl_dbg_calloc(2, 15, 202, "multi.c"); p[0] = 1; return p; }
APART void *more(void *old) { char *p = curl_dbg_realloc(old, 500, 203, "more.c"); p[0] = 1; return p; }
APART char *text(void) { char *p = curl_dbg_strdup("abc", 204, "text.c"); p[0] = 'x'; return p; }
APART void *plain(void) { char *p = malloc(33); p[0] = 1; return p; }
int main(void) {
    void *p[6];
    int number;
    p[0] = more(easy()); p[1] = multi(); p[2] = more(NULL); p[3] = text(); p[4] = plain();
    p[5] = easy();
    puts(p[3]);
    for (number = 0; number < 6; number++) if (number != 4) curl_dbg_free(p[number], 205, "main.c");
    free(p[4]);
    return 0;
}
"#;

#[test]
fn places_of_curls_debug_builds_are_told_on_request() {
    let place = Place::new();
    place.c("libmodel.so", CURL, &["-shared", "-fPIC", "-fno-builtin"]);
    let directory = place.path().display().to_string();
    let rpath = format!("-Wl,-rpath,{directory}");
    let program = place.c("user", CURL_USER, &["-O1", "-fno-builtin", "-L", &directory, "-l:libmodel.so", &rpath]);
    let site = |file: &str, function: &str, blocks, bytes| (file.to_owned(), function.to_owned(), blocks, bytes, 0);
    let expected = Named::from([
        (201, site("easy.c", "easy", 2, 2 * 36)),
        (202, site("multi.c", "multi", 1, 46)),
        (203, site("more.c", "more", 2, 2 * 516)),
        (204, site("text.c", "text", 1, 20)),
    ]);
    let both = preload(&[&pair().library, &pair().debugmem]);
    let run = |sources: &str| {
        let job = place.job(How::Bare, &program).library(&both).env("MEMTRACE_SOURCES", sources);
        let ended = job.record();
        assert_eq!((ended.stdout.as_str(), ended.code()), ("xbc\n", Some(0)), "{}", ended.stderr);
        assert_eq!(ended.process().summary("unknown_frees"), 0);
        ended
    };
    assert_eq!(named(&run("curl")), expected);
    assert_eq!(named(&run("all")), expected);
    assert_eq!(named(&run("openssl")), Named::new());
    assert_eq!(named(&run("")), Named::new());
    assert!(run("crul").stderr.contains("MEMTRACE_SOURCES"), "a wrong word is a warning");
    // The launcher loads the library itself.
    let ended = place.job(How::Run, &program).env("MEMTRACE_SOURCES", "curl").record();
    assert_eq!(named(&ended), expected);
    // All others are as before.
    let plain = ended.process().sites.iter().find(|site| site.frames[0].function == "plain").expect("it is there");
    assert_eq!(plain.number("total_bytes"), 33);
}

const OPENSSL: &str = r#"
#include <stdio.h>
#include <stdlib.h>
void *EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(void *);
int main(void) {
    void *volatile context = EVP_MD_CTX_new();
    printf("%d\n", context != NULL);
    if (getenv("FREED")) EVP_MD_CTX_free(context);
    context = NULL;
    return 0;
}
"#;

#[test]
fn places_inside_openssl_are_told_on_request() {
    let place = Place::new();
    let source = place.write("openssl.c", OPENSSL);
    let program = place.join("openssl");
    let built = Command::new("gcc").arg(&source).arg("-o").arg(&program).arg("-l:libcrypto.so.3").status();
    if !built.is_ok_and(|status| status.success()) {
        return println!("skipped: there is no libcrypto.so.3");
    }
    for freed in [false, true] {
        let job = place.job(How::Run, &program).env("MEMTRACE_SOURCES", "openssl");
        let ended = if freed { job.env("FREED", "1") } else { job }.record();
        assert_eq!((ended.stdout.as_str(), ended.code()), ("1\n", Some(0)), "{}", ended.stderr);
        let site = |site: &&memtrace_tests::Site| site.frames[0].kind == "source" && site.number("live_blocks") > 0;
        let context = ended.process().sites.iter().find(site);
        let context = context.filter(|site| site.frames[0].file.ends_with("evp/digest.c"));
        assert_eq!(context.is_some(), !freed, "{:?}", ended.process().sites);
        if let Some(context) = context {
            // It left by a jump to CRYPTO_zalloc: who it was cannot be seen.
            assert!(["EVP_MD_CTX_new", ""].contains(&context.frames[0].function.as_str()), "{context:?}");
        }
    }
    // Without the word, nothing is replaced.
    let ended = place.job(How::Run, &program).env("MEMTRACE_SOURCES", "curl").record();
    assert!(ended.process().sites.iter().all(|site| site.frames[0].kind != "source"));
}

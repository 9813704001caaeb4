//! Who a report names as the site of an allocation: not the functions that only hand requests on; and what sweeps say
//! of sites that the program names itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memtrace_tests::{How, Json, Place, pair, read_json, workspace};

/// Two callers of two wrappers of its own, one of which no list has, and a copy by the C library.
const WRAPPED: &str = r#"
#include <stdlib.h>
#include <string.h>
#define APART __attribute__((noinline))
APART void *xmalloc(size_t size) { char *p = malloc(size); if (!p) abort(); p[0] = 'x'; return p; }
APART char *pool_take(size_t size) { char *p = xmalloc(size); p[0] = 'p'; return p; }
APART void load(void) { char *volatile p = xmalloc(100); p = pool_take(30); p = NULL; (void)p; }
APART void store(void) { char *volatile p = pool_take(7); p = strdup("text"); p = NULL; (void)p; }
int main(void) { load(); store(); return 0; }
"#;

fn report(profile: &Path, arguments: &[&str]) -> String {
    let place = Place::new();
    let job = place.job(How::Native, &pair().command).arg("report").args(arguments.iter().copied()).arg(profile);
    let ended = job.run();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    ended.stdout
}

/// Bytes ever, by the function that is named.
fn by_function(program: &Path, wrappers: &str) -> BTreeMap<String, u64> {
    let place = Place::new();
    let ended = place.job(How::Run, program).env("MEMTRACE_WRAPPERS", wrappers).record();
    let text = report(&ended.profiles[0], &["--by", "function", "--format", "json"]);
    let path = place.write("rows.json", &text);
    let rows = read_json(&path);
    let rows = rows["processes"][0]["rows"].as_array().expect("a list");
    let row = |row: &Json| Some((row["name"].as_str()?.to_owned(), row["total_bytes"].as_u64()?));
    rows.iter().filter_map(row).collect()
}

#[test]
fn groups_name_who_wanted_the_memory() {
    let place = Place::new();
    let program = place.c("wrapped", WRAPPED, &["-g", "-O0", "-fno-builtin"]);
    let rows = |rows: &[(&str, u64)]| rows.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)).collect();
    let known: BTreeMap<String, u64> = rows(&[("load", 100), ("pool_take", 37), ("store", 5)]);
    assert_eq!(by_function(&program, ""), known);
    assert_eq!(by_function(&program, "pool_*"), rows(&[("load", 130), ("store", 12)]));
    assert_eq!(by_function(&program, "none"), rows(&[("xmalloc", 137), ("store", 5)]));
    assert_eq!(by_function(&program, "none,x*"), known);
    // Wrong nothing can be: what no function is called is no wrapper.
    assert_eq!(by_function(&program, ",nobody, "), known);
}

#[test]
fn a_suppression_hides_what_one_caller_of_a_wrapper_asked_for() {
    let place = Place::new();
    let program = place.c("wrapped", WRAPPED, &["-g", "-O0", "-fno-builtin"]);
    let suppress = |wrappers: &str| -> Vec<String> {
        let said = place.job(How::Bare, &program).env("MEMTRACE_WRAPPERS", wrappers).run().stderr;
        assert!(said.contains("    at xmalloc (wrapped.c:5)\n    by load (wrapped.c:7)\n"), "stacks are whole: {said}");
        said.lines().filter_map(|line| Some(line.trim().strip_prefix("suppress: ")?.to_owned())).collect()
    };
    let by_pool = ["leak:^load$", "leak:^pool_take$", "leak:^pool_take$", "leak:^store$"];
    assert_eq!(suppress(""), by_pool);
    assert_eq!(suppress("pool_take"), ["leak:^load$", "leak:^load$", "leak:^store$", "leak:^store$"]);
}

/// A session of two parts: where the second cannot be had, the first is lost.
const SESSION: &str = r#"
#include "memtrace.h"
typedef struct session { int id; } session_t;
static __attribute__((noinline)) void *xalloc(size_t size) { return SAFE_MALLOC(size, void *); }
static __attribute__((noinline)) session_t *session_new(void) {
    session_t *session = SAFE_MALLOC(40, session_t *);
    void *volatile part;
    if (!session) return NULL;
    part = xalloc(50);
    if (!part) { session = NULL; return NULL; }
    free(part);
    return session;
}
int main(void) {
    session_t *session = session_new();
    if (!session) return 1;
    free(session);
    return 0;
}
"#;

fn stripped(place: &Place) -> PathBuf {
    let include = format!("-I{}", workspace().join("shim/include").display());
    place.c("session", SESSION, &["-O1", "-s", "-fno-builtin", &include])
}

#[test]
fn a_sweep_names_sites_by_file_line_function_and_type_of_stripped_programs_too() {
    let place = Place::new();
    let program = stripped(&place);
    let file = place.join("session.sweep.json");
    let job = place.job(How::Native, &pair().command).arg("sweep").arg("-o").arg(&file).arg("--").arg(&program);
    let ended = job.env("MEMTRACE_WRAPPERS", "my_*").patience(Duration::from_secs(90)).run();
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    let line = |what: &str| SESSION.lines().position(|line| line.contains(what)).expect("it is there") + 1;
    let failed = format!("    at xalloc (session.c:{}, void *)\n", line("xalloc(size_t"));
    let lost = format!("allocated\n    at session_new (session.c:{}, session_t *)\n", line("SAFE_MALLOC(40"));
    assert!(ended.stdout.contains(&failed) && ended.stdout.contains(&lost), "{}", ended.stdout);
    let result = read_json(&file);
    assert_eq!(result["wrappers"], "my_*");
    let leak = &result["findings"][0];
    assert_eq!((leak["outcome"].as_str(), leak["leaks"][0]["caller"].as_str()), (Some("leak"), Some("session_new")));
    // The caller of `xalloc` has no name.
    let caller = leak["failed"]["caller"].as_str().expect("a text");
    assert!(caller.starts_with("session+0x"), "{caller}");
    let frames = result["frames"].as_array().expect("a list");
    let of_source: Vec<_> = frames.iter().filter(|frame| frame["type"].is_string()).collect();
    assert!(of_source.len() == 2 && of_source.iter().all(|frame| frame["module"].is_null()), "{of_source:?}");
    // The schema, and every other form, take it.
    for format in ["junit", "sarif", "jsonl", "text"] {
        let out = format!("{format}:{}", place.join(format).display());
        let job = place.job(How::Native, &pair().command).arg("report").arg("--out").arg(out).arg(&file);
        assert_eq!(job.run().code(), Some(0), "{format}");
    }
    let text = std::fs::read_to_string(place.join("sarif")).expect("it was written");
    assert!(text.contains("session_new"), "{text}");
}

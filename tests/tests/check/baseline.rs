//! Baselines: what is new, known, grown, fixed; and that leaks are known again when the program was built anew.

use memtrace_tests::{Json, read_json};

use crate::work::{Work, number};

/// The source of the leaky program, with other lines.
const SOURCE: &str = include_str!("leaky.c");

impl Work {
    /// `memtrace baseline TASK leaks.json OPTIONS -- COMMAND`.
    fn baseline(&self, task: &str, options: &[&str], command: &[&str]) -> (Option<i32>, String) {
        let ended = self.memtrace(&[&["baseline", task, "leaks.json"], options, &["--"], command].concat());
        (ended.code(), ended.stderr)
    }

    fn entries(&self) -> Vec<Json> {
        read_json(&self.place.join("leaks.json"))["leaks"].as_array().cloned().unwrap_or_default()
    }
}

#[test]
fn a_check_fails_for_what_the_baseline_has_not() {
    let work = Work::new();
    let (status, text) = work.baseline("write", &["--reason", "waits for the new reader"], &["./app", "100:a", "30:b"]);
    assert!(status == Some(0) && text.ends_with("memtrace: baseline leaks.json: 2 leaks\n"), "{status:?}: {text}");
    let with = ["--baseline", "leaks.json"];
    for (command, status, said) in [
        (&["./app", "100:a", "30:b"][..], 0, "known: 2; accepted: 0; fixed: 0"),
        (&["./app", "100:a"], 0, "known: 1; accepted: 0; fixed: 1"),
        (&["./app"], 0, "known: 0; accepted: 0; fixed: 2"),
        (&["./app", "100:a", "30:b", "7:c"], 1, "failing: 1; new: 1; grown: 0; known: 2"),
        (&["./app", "100:a", "100:a"], 0, "failing: 0; new: 0; grown: 1; known: 0"),
    ] {
        let (found, text) = work.status(&with, command);
        assert!(found == Some(status) && text.contains(said), "{command:?}: {found:?}: {text}");
        let (again, _) = work.baseline("check", &[], command);
        assert_eq!(again, Some(status), "{command:?}");
    }
    let (status, text) = work.status(&["--baseline", "leaks.json", "--fail-grown"], &["./app", "100:a", "100:a"]);
    assert!(
        status == Some(1) && text.contains("  grown: 100 bytes in 1 block in the baseline, 200 bytes in 2 blocks now")
    );
    let (_, text) = work.status(&with, &["./app", "100:a"]);
    assert!(text.contains(": waits for the new reader\n") && text.contains("\nfixed: "), "{text}");
}

#[test]
fn an_update_keeps_reasons_takes_what_is_new_and_drops_what_is_fixed() {
    let work = Work::new();
    work.baseline("write", &["--reason", "first"], &["./app", "100:a", "30:b"]);
    assert_eq!(work.baseline("write", &[], &["./app"]).0, Some(2), "it is there already");
    let before = work.place.read("leaks.json");
    let (status, text) = work.baseline(
        "update",
        &["--reason", "second", "--expires", "2099-12-31"],
        &["./app", "100:a", "100:a", "7:c"],
    );
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("added: ") && text.contains("grown: ") && text.contains("fixed: "), "{text}");
    let mut told: Vec<(String, u64, Json)> = work
        .entries()
        .iter()
        .map(|entry| {
            (entry["reason"].as_str().unwrap_or_default().into(), number(entry, "/bytes"), entry["expires"].clone())
        })
        .collect();
    told.sort_by_key(|entry| entry.1);
    assert_eq!(told, [("second".into(), 7, "2099-12-31".into()), ("first".into(), 200, Json::Null)]);
    // The same run again changes nothing.
    let after = work.place.read("leaks.json");
    work.baseline("update", &[], &["./app", "100:a", "100:a", "7:c"]);
    assert_eq!(work.place.read("leaks.json"), after);
    assert_ne!(before, after);
    work.baseline("update", &["--keep-fixed"], &["./app"]);
    assert_eq!(work.entries().len(), 2);
}

#[test]
fn an_entry_ends_with_its_last_day() {
    let work = Work::new();
    work.baseline("write", &["--expires", "2020-01-01"], &["./app", "100:a"]);
    let (status, text) = work.status(&["--baseline", "leaks.json"], &["./app", "100:a"]);
    assert!(status == Some(1) && text.contains("ended with 2020-01-01 and no longer accepts"), "{status:?}: {text}");
    work.baseline("update", &["--expires", "2099-01-01"], &["./app", "100:a"]);
    assert_eq!(work.status(&["--baseline", "leaks.json"], &["./app", "100:a"]).0, Some(0));
    let (status, text) = work.baseline("update", &["--expires", "2099-02-30"], &["./app", "100:a"]);
    assert!(status == Some(2) && text.contains("expected a day as `2026-12-31`"), "{text}");
}

#[test]
fn a_run_that_failed_or_was_not_judged_is_no_baseline() {
    let work = Work::new();
    assert_eq!(work.baseline("write", &[], &["./app", "100:a", "=5"]).0, Some(5));
    assert_eq!(work.baseline("write", &["--exe", "none"], &["./app", "100:a"]).0, Some(2));
    assert_eq!(work.baseline("write", &[], &["./none"]).0, Some(2));
    assert!(!work.place.join("leaks.json").exists());
}

#[test]
fn leaks_are_known_again_after_another_build_elsewhere_with_other_lines() {
    let work = Work::new();
    let command = ["./app", "100:a", "30:b", "7:c"];
    work.baseline("write", &[], &command);
    let moved = format!("\n\n/* moved */\n\n{}", SOURCE.replace("{\n", "\n{\n\n").replace("    ", "\t\t"));
    std::fs::create_dir(work.place.join("elsewhere")).expect("the place can be written to");
    let build = |name: &str, source: &str, flags: &[&str]| {
        let program = format!("elsewhere/{name}/app");
        std::fs::create_dir_all(work.place.join(&format!("elsewhere/{name}"))).expect("the place can be written to");
        work.place.c(&program, source, flags);
        format!("./{program}")
    };
    for (name, source, flags) in [
        ("same", SOURCE, &[][..]),
        ("moved", &moved, &[]),
        ("O0", &moved, &["-O0"]),
        ("O2", &moved, &["-O2"]),
        ("O3", &moved, &["-O3", "-fno-omit-frame-pointer"]),
        ("static-pie-less", &moved, &["-no-pie", "-O2"]),
        ("lto", &moved, &["-O2", "-flto"]),
        // Names come from the symbol table alone.
        ("g0", &moved, &["-g0", "-O0"]),
        ("g0O2", &moved, &["-g0", "-O2"]),
    ] {
        let program = build(name, source, flags);
        let words = ["check", "--baseline", "leaks.json", "--", &program, "100:a", "30:b", "7:c"];
        let ended = work.memtrace(&words);
        assert_eq!(ended.code(), Some(0), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains("known: 3; accepted: 0; fixed: 0"), "{name}: {}", ended.stderr);
        // A leak that the baseline has not is still new there.
        let other = SOURCE.replace("b(size_t", "other(size_t").replace(
            "else if (function && function[1] == 'b') used = b(",
            "else if (function && function[1] == 'b') used = other(",
        );
        let program = build(&format!("{name}-other"), &other, flags);
        let words = ["check", "--baseline", "leaks.json", "--", &program, "100:a", "30:b", "7:c"];
        let ended = work.memtrace(&words);
        assert_eq!(ended.code(), Some(1), "{name}: {}", ended.stderr);
    }
}

#[test]
fn templates_and_lambdas_are_folded() {
    let work = Work::new();
    let source = |kind: &str, before: &str| {
        format!(
            "#include <cstdlib>\nnamespace ns {{ template <typename T> struct Box {{ __attribute__((noinline)) static void *make(T) \
             {{ return std::malloc(sizeof(T) * 0 + 48); }} }}; }}\nint main(int, char **) {{ {before}\
             auto run = [](int value) __attribute__((noinline)) {{ return ns::Box<{kind}>::make({kind}(value)) != nullptr; }};\n\
             return run(3) ? 0 : 1; }}\n"
        )
    };
    work.place.cpp("boxes", &source("int", ""), &["-fno-builtin"]);
    assert_eq!(work.baseline("write", &[], &["./boxes"]).0, Some(0));
    assert_eq!(work.entries().len(), 1);
    let before = "auto other = [](int) { return 1; }; if (other(1) == 2) return 1;\n";
    work.place.cpp("boxes", &source("long", before), &["-fno-builtin"]);
    let (status, text) = work.status(&["--baseline", "leaks.json"], &["./boxes"]);
    assert!(status == Some(0) && text.contains("known: 1;") && !text.contains("is taken for"), "{status:?}: {text}");
}

#[test]
fn functions_that_no_other_file_can_call_are_known_with_and_without_debug_information() {
    let work = Work::new();
    let source = "#include <cstdlib>\n#include <functional>\nnamespace { struct Hidden { __attribute__((noinline)) static void \
                  *make(int n) { return std::malloc(n); } }; }\nnamespace ns { __attribute__((noinline)) static void *inner(int n) { \
                  return Hidden::make(n); } }\nvolatile int used;\n__attribute__((noinline)) void fill() { std::function<bool(int)> run = \
                  [](int n) { return ns::inner(n) != nullptr; }; used = run(77); }\nint main() { fill(); volatile char room[4096]; \
                  for (int at = 0; at < 4096; at++) room[at] = 0; return 0; }\n";
    work.place.cpp("hidden", source, &[]);
    assert_eq!(work.baseline("write", &[], &["./hidden"]).0, Some(0));
    let trail = work.entries()[0]["trail"].to_string();
    assert!(!trail.contains("invoke") && trail.contains("fill (hidden)"), "{trail}");
    for flags in [&["-O0"][..], &["-O2"], &["-g0", "-O0"]] {
        work.place.cpp("hidden", source, flags);
        let (status, text) = work.status(&["--baseline", "leaks.json"], &["./hidden"]);
        assert!(status == Some(0) && text.contains("known: 1;"), "{flags:?}: {status:?}: {text}");
    }
}

#[test]
fn a_diff_is_a_signed_table() {
    let work = Work::new();
    for (name, words) in [("a.json", &["100:a", "30:b"][..]), ("b.json", &["100:a", "100:a", "7:c"])] {
        let command = [&["check", "--exit-zero", "--profile", name, "--", "./app"], words].concat();
        assert_eq!(work.memtrace(&command).code(), Some(0));
    }
    let ended = work.memtrace(&["diff", "a.json", "b.json", "--out", "json:d.json", "--out", "markdown:d.md"]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let changes: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with("  ")).map(str::trim_start).collect();
    let starts: Vec<String> =
        changes.iter().map(|line| line.split_whitespace().take(4).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(starts, ["+100 bytes +1 block", "+7 bytes +1 block", "-30 bytes -1 block"], "{}", ended.stdout);
    assert!(
        ended.stdout.contains("DIFF SUMMARY: leaked: +77 bytes, +1 blocks (130 bytes in 2 blocks, then 207 bytes in 3")
    );
    let json = read_json(&work.place.join("d.json"));
    assert_eq!((number(&json, "/after/bytes"), json["rows"][2]["bytes_change"].as_i64()), (207, Some(-30)));
    assert!(work.place.read("d.md").contains("| +100 | +1 | ` c ` |"));
    for (words, said) in [
        (&["diff", "a.json", "none.json"][..], "cannot read `none.json`"),
        (
            &["diff", "a.json", "b.json", "--out", "sarif:x"],
            "is written as `text`, `json`, `markdown` or `html`, not as `sarif`",
        ),
        (&["diff", "a.json"], "were not provided"),
    ] {
        let ended = work.memtrace(words);
        assert!(ended.code() == Some(2) && ended.stderr.contains(said), "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn the_self_test_shows_that_the_job_can_fail() {
    let work = Work::new();
    for (options, status, said) in [
        (&[][..], 0, "memtrace: self-test: 30247 bytes in 7 blocks lost: status 1; nothing lost: status 0"),
        (&["--exit-code", "9"], 0, "lost: status 9; nothing lost: status 0"),
        (&["--max-bytes", "1MiB", "--max-site-blocks", "100"], 0, "in 101 blocks lost: status 1"),
        (&["--module", "libmine.so", "--exe", "x", "--max-peak", "1"], 0, "lost: status 1"),
        (&["--exit-zero"], 1, "hint: this job cannot fail; take `--exit-zero` away"),
        (&["--kinds", "reachable"], 1, "this job cannot fail; the policy allows what was planted"),
    ] {
        let ended = work.memtrace(&[&["check", "--self-test"], options].concat());
        let text = ended.stderr.replace(',', "");
        assert!(ended.code() == Some(status) && text.contains(&said.replace(',', "")), "{options:?}: {text}");
    }
}

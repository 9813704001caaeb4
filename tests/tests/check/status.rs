//! The status: clean, broken, nobody can tell, and the target's own.

use memtrace_tests::{How, pair};

use crate::work::{Work, number};

/// A file for a policy.
fn policy(work: &Work, text: &str) -> String {
    work.place.write("policy.toml", text).display().to_string()
}

#[test]
fn the_status_says_whether_the_policy_holds() {
    let work = Work::new();
    for (options, command, status) in [
        (&[][..], &["./app"][..], 0),
        (&[], &["./app", "100"], 1),
        (&["--exit-code", "42"], &["./app", "100"], 42),
        (&["--exit-zero"], &["./app", "100"], 0),
        (&[], &["./app", "r"], 0),
        (&["--kinds", "all"], &["./app", "r"], 1),
        (&["--kinds", "possible"], &["./app", "100"], 0),
        // The target's own failure is passed on.
        (&[], &["./app", "=3"], 3),
        (&["--exit-code", "42"], &["./app", "100", "=3"], 3),
        (&["--exit-zero"], &["./app", "100", "=3"], 3),
        // Nothing to be judged is never 0.
        (&["--exe", "other"], &["./app"], 2),
        (&["--exit-zero", "--exe", "other"], &["./app"], 2),
        (&[], &["./no-such-program"], 2),
    ] {
        let (found, text) = work.status(options, command);
        assert_eq!(found, Some(status), "{options:?} {command:?}: {text}");
        assert_eq!(text.contains("the target itself failed: exit status 3"), status == 3, "{text}");
    }
}

#[test]
fn a_target_that_a_signal_kills_is_seen_to_be_killed_by_it() {
    let work = Work::new();
    for signal in [libc::SIGKILL, libc::SIGSEGV, libc::SIGTERM] {
        let words = ["check", "--", "./app", "100", &format!("!{signal}")];
        let ended = work.memtrace(&words);
        assert_eq!(ended.signal(), Some(signal), "{}", ended.stderr);
        assert!(ended.stderr.contains("the target itself failed: killed by SIG"), "{}", ended.stderr);
        assert!(ended.stderr.contains("not classified"), "{}", ended.stderr);
    }
}

#[test]
fn stdout_is_the_targets_and_the_report_goes_to_stderr() {
    let work = Work::new();
    let ended = work.memtrace(&["check", "--", "sh", "-c", "echo out; ./app 100"]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), "out\n"));
    let text = &ended.stderr;
    assert!(
        text.contains("\nerror: 100 bytes in 1 block is definitely lost, allocated in c\n    at c (leaky.c:"),
        "{text}"
    );
    assert!(
        text.contains("\n  in app (pid ") && text.contains("\nCHECK SUMMARY: broken; failing: 1; new: 1;"),
        "{text}"
    );
    // No profile is left unless somebody asks for one.
    assert_eq!(work.place.files("memtrace.json").len(), 0);
    let ended = work.memtrace(&["check", "--profile", "kept.json", "--out", "text:-", "--", "./app", "100"]);
    assert!(ended.stdout.contains("CHECK SUMMARY: broken"), "{}", ended.stdout);
    let again = work.memtrace(&["check", "kept.json"]);
    assert_eq!(again.code(), Some(1), "{}{}", again.stdout, again.stderr);
    assert!(again.stdout.contains("100 bytes in 1 block is definitely lost, allocated in c"), "{}", again.stdout);
}

#[test]
fn a_program_that_memtrace_never_saw_is_no_data_whoever_starts_it() {
    let work = Work::new();
    work.place.c("static", "int main(void) { return 0; }", &["-static"]);
    for command in [
        &["./static"][..],
        &["env", "./static"],
        &["env", "-i", "./app", "100"],
        &["timeout", "9", "./static"],
        &["sh", "-c", "./static"],
        &["sh", "-c", "./static; true"],
        &["bash", "-c", "./static; true"],
        &["./app", "x", "./static"],
    ] {
        let (status, text) = work.status(&[], command);
        assert_eq!(status, Some(2), "{command:?}: {text}");
        assert!(text.contains("static"), "{command:?}: {text}");
    }
    // Beside others it is said, and `--strict` makes it the status.
    let command = ["sh", "-c", "./static; ./app"];
    let (status, text) = work.status(&[], &command);
    assert!(status == Some(0) && text.contains("note: not seen: "), "{status:?}: {text}");
    let (status, text) = work.status(&["--strict"], &command);
    assert!(status == Some(2) && text.contains("left no record"), "{status:?}: {text}");
}

#[test]
fn a_target_that_memtrace_keeps_out_of_is_no_data_with_the_reason() {
    let work = Work::new();
    work.place.c("sanitized", "int main(void) { return 0; }", &["-fsanitize=address"]);
    let own = "#include <stddef.h>\nstatic char room[1 << 20]; static size_t at;\n\
               void *malloc(size_t n) { void *p = room + at; at += (n + 15) & ~15ul; return p; }\n\
               void free(void *p) { (void)p; }\nvoid *calloc(size_t a, size_t b) { return malloc(a * b); }\n\
               void *realloc(void *p, size_t n) { (void)p; return malloc(n); }\nint main(void) { return !malloc(5); }";
    work.place.c("own", own, &[]);
    for (command, reason) in [("./sanitized", "sanitizer"), ("./own", "a malloc of its own")] {
        let (status, text) = work.status(&[], &[command]);
        assert!(status == Some(2) && text.contains(reason), "{command}: {status:?}: {text}");
    }
    for (variable, value, reason) in
        [("MEMTRACE_EXE", "other", "MEMTRACE_EXE"), ("MEMTRACE_LEAKS", "0", "MEMTRACE_LEAKS=0")]
    {
        let job = work.place.job(How::Native, &pair().command).env(variable, value);
        let ended = job.args(["check", "--", "./app", "100"]).run();
        assert!(ended.code() == Some(2) && ended.stderr.contains(reason), "{:?}: {}", ended.code(), ended.stderr);
    }
}

#[test]
fn the_verdict_states_sampling_losses_and_what_was_not_judged() {
    let work = Work::new();
    let job = work.place.job(How::Native, &pair().command).env("MEMTRACE_SAMPLE", "1");
    let ended = job.args(["check", "--", "./app"]).run();
    assert!(ended.stderr.contains("note: only samples were recorded in 1 process"), "{}", ended.stderr);
    let (status, text) = work.status(&[], &["sh", "-c", "./app 100 !9; ./app; true"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(
        text.contains("note: not judged: app (pid ") && text.contains("2 program runs judged, 1 not judged"),
        "{text}"
    );
    let (status, text) = work.status(&["--crash"], &["sh", "-c", "./app 100 !9; ./app; true"]);
    assert_eq!(status, Some(1), "{text}");
    let (status, text) = work.status(&["--wait", "0"], &["sh", "-c", "sleep 3 >/dev/null 2>&1 & ./app"]);
    assert!(status == Some(0) && text.contains("outlived the command"), "{status:?}: {text}");
}

#[test]
fn budgets_allow_leaks_and_limit_peaks_and_allocations() {
    let work = Work::new();
    let command = ["./app", "100", "100:b", "50:b"];
    for (options, status, said) in [
        (&["--max-bytes", "250"][..], 0, "warning: 150 bytes in 2 blocks are"),
        (&["--max-bytes", "249"], 1, "error: 250 bytes in 3 blocks leaked in all, 249 bytes are allowed"),
        (&["--max-blocks", "2"], 1, "error: 250 bytes in 3 blocks leaked in all, 2 blocks are allowed"),
        (&["--max-site-bytes", "150"], 0, "warning: 150 bytes"),
        (&["--max-site-bytes", "149"], 1, "error: 150 bytes"),
        (&["--max-site-blocks", "1"], 1, "error: 150 bytes"),
        (&["--max-peak", "1MiB", "--max-bytes", "1MiB"], 0, "warning: "),
        (
            &["--max-peak", "249", "--max-bytes", "1MiB"],
            1,
            "error: app had 250 bytes live at its peak, 249 bytes are allowed",
        ),
        (&["--max-allocations", "2", "--max-bytes", "1MiB"], 1, "error: 3 allocations in all, 2 are allowed"),
        (
            &["--max-site-peak", "100", "--max-bytes", "1MiB"],
            1,
            "error: c had 150 bytes live at once, 100 bytes are allowed",
        ),
        (&["--max-site-allocations", "1", "--max-bytes", "1MiB"], 1, "error: c made 2 allocations, 1 are allowed"),
    ] {
        let (found, text) = work.status(options, &command);
        assert_eq!(found, Some(status), "{options:?}: {text}");
        assert!(text.contains(said), "{options:?}: {text}");
    }
}

#[test]
fn the_policys_file_says_the_same_as_flags() {
    let work = Work::new();
    let file = policy(&work, "[check]\nexit-code = 7\nkinds = ['definite']\n[check.total]\nbytes = '1KiB'\n");
    assert_eq!(work.status(&["--policy", &file], &["./app", "1024"]).0, Some(0));
    assert_eq!(work.status(&["--policy", &file], &["./app", "1025"]).0, Some(7));
    assert_eq!(work.status(&["--policy", &file, "--max-bytes", "9", "--exit-code", "8"], &["./app", "10"]).0, Some(8));
    // In the working directory it is found by its name.
    work.place.write("memtrace.toml", "[[rule]]\naction = 'known'\nfunction = 'c'\nreason = 'ours'\n");
    let (status, text) = work.status(&[], &["./app", "1025"]);
    assert!(status == Some(0) && text.contains("accepted: ") && text.contains(": ours"), "{status:?}: {text}");
    assert!(text.contains("1 program run judged, by policy memtrace.toml\n"), "{text}");
    let rule = "[[rule]]\naction = 'known'\nfunction = 'c'\nreason = 'ours'\nexpires = '2020-01-01'\n";
    work.place.write("memtrace.toml", rule);
    let (status, text) = work.status(&[], &["./app", "1025"]);
    assert!(status == Some(1) && text.contains("line 1: the rule `known function=c` ended with 2020-01-01"), "{text}");
    work.place.write("memtrace.toml", "[check]\nkinds = 'x'\n");
    let (status, text) = work.status(&[], &["./app"]);
    let said = "memtrace: cannot read policy `memtrace.toml`: line 2: found `x`, expected `definite`";
    assert!(status == Some(2) && text.starts_with(said), "{status:?}: {text}");
    work.place.write("memtrace.toml", "[chekc]\n");
    assert_eq!(work.status(&[], &["./app"]).0, Some(2));
}

#[test]
fn only_leaks_of_the_chosen_code_and_programs_count() {
    let work = Work::new();
    let source = "#include <stdlib.h>\nvoid *part_make(void) { return malloc(300); }\n";
    work.place.c("libpart.so", source, &["-shared", "-fPIC"]);
    let user = "#include <stdlib.h>\nvoid *part_make(void);\nint main(void) { part_make(); return !malloc(7); }\n";
    let here = format!("-Wl,-rpath,{}", work.place.path().display());
    let library = work.place.join("libpart.so").display().to_string();
    work.place.c("user", user, &[&library, &here, "-fno-builtin"]);
    let counted = |options: &[&str], command: &[&str]| {
        let (ended, json) = work.check(options, command);
        let findings = json["findings"].as_array().cloned().unwrap_or_default();
        let sizes: Vec<u64> = findings.iter().map(|finding| number(finding, "/bytes")).collect();
        (ended.code(), sizes)
    };
    let user = ["./user"];
    assert_eq!(counted(&[], &user), (Some(1), vec![300, 7]));
    assert_eq!(counted(&["--module", "libpart.so"], &user), (Some(1), vec![300]));
    assert_eq!(counted(&["--path", "user.c"], &user), (Some(1), vec![300, 7]));
    assert_eq!(counted(&["--path", "libpart*.c"], &user), (Some(1), vec![300]));
    assert_eq!(counted(&["--module", "libother.so"], &user), (Some(0), vec![]));
    let both = ["sh", "-c", "./user; ./app 55"];
    assert_eq!(counted(&["--exe", "app"], &both), (Some(1), vec![55]));
    assert_eq!(counted(&["--exe", "us*", "--exe", "app"], &both), (Some(1), vec![300, 55, 7]));
}

#[test]
fn a_leak_of_an_interpreter_alone_is_no_leak_of_the_project() {
    let work = Work::new();
    // A shell of the same name as the system's, which loses a block and then runs the program.
    std::fs::create_dir(work.place.join("bin")).expect("the place can be written to");
    let shell = "#include <stdlib.h>\n#include <unistd.h>\nint main(void) { if (!malloc(99)) return 1; \
                 if (vfork() == 0) { execl(\"./app\", \"./app\", \"0\", (char *)0); _exit(1); } return 0; }";
    work.place.c("bin/dash", shell, &["-fno-builtin"]);
    let (ended, json) = work.check(&[], &["bin/dash"]);
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    let text = &ended.stderr;
    assert!(text.contains("note: left out: 99 bytes in 1 leak"), "{text}");
    assert_eq!(json["counts"]["new"], 1);
    let (_, json) = work.check(&["--any-code"], &["bin/dash"]);
    assert_eq!((number(&json, "/counts/new"), number(&json, "/counts/foreign")), (2, 0));
}

#[test]
fn what_grows_from_checkpoint_to_checkpoint_breaks_the_policy() {
    let work = Work::new();
    let source = "#include <stdlib.h>\n#include \"memtrace.h\"\nstatic void *list[64]; static int count;\n\
        __attribute__((noinline)) void *grow(void) { return list[count++] = malloc(1000); }\n\
        __attribute__((noinline)) void *cache(void) { return malloc(500); }\n\
        int main(int c, char **v) { static void *cached; cached = cache(); \
        for (int turn = 0; turn < 3; turn++) { if (c > 1) grow(); memtrace_check_leaks(); } \
        while (count) free(list[--count]); free(cached); (void)v; return 0; }\n";
    let include = format!("-I{}", memtrace_tests::workspace().join("shim/include").display());
    work.place.c("grows", source, &[&include]);
    let (status, text) = work.status(&["--max-growth", "999"], &["./grows", "yes"]);
    let said =
        "error: 2,000 bytes (2.0 KiB) more after 3 checkpoints in grows, and more at each of them, allocated in grow";
    assert!(status == Some(1) && text.contains(said), "{status:?}: {text}");
    assert_eq!(work.status(&["--max-growth", "1000"], &["./grows", "yes"]).0, Some(0));
    assert_eq!(work.status(&["--max-growth", "0"], &["./grows"]).0, Some(0));
    // Without checkpoints nobody can tell.
    let (status, text) = work.status(&["--max-growth", "0"], &["./app"]);
    assert!(status == Some(2) && text.contains("two checkpoints"), "{status:?}: {text}");
}

#[test]
fn wrong_use_is_said_before_anything_starts() {
    let work = Work::new();
    work.place.write("bad.json", "{}");
    for (words, said) in [
        (&["check"][..], "nothing to check, expected PROFILE or `-- CMD`"),
        (&["check", "x.json", "--", "touch", "started"], "both a profile `x.json` and a command"),
        (&["check", "--out", "xml:x", "--", "touch", "started"], "expected FORMAT:PATH with one of"),
        (&["check", "--out", "json:x", "--out", "text:x", "--", "touch", "started"], "two reports go to `x`"),
        (&["check", "--policy", "none.toml", "--", "touch", "started"], "cannot read `none.toml`: no such file"),
        (&["check", "--baseline", "bad.json", "--", "touch", "started"], "expected format `memtrace-baseline`"),
        (&["check", "--suppressions", "none", "--", "touch", "started"], "cannot read `none`: no such file"),
        (&["check", "--max-bytes", "x", "--", "touch", "started"], "expected a number of bytes"),
        (&["check", "--exit-code", "0", "--", "touch", "started"], "0 is not in 1..=255"),
        (&["check", "bad.json"], "expected format `memtrace-profile`"),
        (&["check", "touch", "started"], "no profile `touch`: a command stands behind `--`"),
    ] {
        let ended = work.memtrace(words);
        assert_eq!(ended.code(), Some(2), "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{words:?}: {}", ended.stderr);
        assert!(!work.place.join("started").exists(), "{words:?}");
    }
    let ended = work.memtrace(&["check", "--out", "json:no/x", "--", "./app"]);
    assert_eq!(ended.code(), Some(3), "{}", ended.stderr);
    let ended = work.memtrace(&["check", "--out", "json:no/x", "--", "./app", "=6"]);
    assert_eq!(ended.code(), Some(6), "{}", ended.stderr);
}

#[test]
fn heap_errors_break_the_policy_unless_it_says_otherwise() {
    let work = Work::new();
    let source = "#include <cstdlib>\n#include <cstring>\n__attribute__((noinline)) void give(int *block) { std::free(block); }\n\
        __attribute__((noinline)) int *take() { return new int(7); }\n\
        int main(int count, char **words) { if (count == 1) return 0; int *volatile block = take(); give(block); \
        if (!std::strcmp(words[1], \"twice\")) give(block); return 0; }\n";
    work.place.cpp("heap", source, &["-fno-builtin", "-Wno-mismatched-new-delete", "-Wno-use-after-free"]);
    let mismatched = ["./heap", "once"];
    let said = "error: mismatched free: a block of 4 bytes of operator new is freed by free";
    let rule = work.place.write(
        "rule.toml",
        "[[rule]]\naction = 'allow'\noutcome = 'heap-corruption'\nfunction = 'give'\nreason = 'so'\n",
    );
    let told = work.place.write("told.toml", "[check]\nheap-errors = 'tell'\n");
    for (options, status, words) in [
        (&[][..], 1, said),
        (&["--heap-errors", "tell"], 0, "warning: mismatched free: "),
        (&["--policy", told.to_str().expect("a path in UTF-8")], 0, "warning: mismatched free: "),
        (&["--policy", rule.to_str().expect("a path in UTF-8")], 0, "accepted: "),
        (&["--module", "libother.so"], 0, "CHECK SUMMARY: clean; failing: 0; new: 0;"),
    ] {
        let (found, text) = work.status(options, &mismatched);
        assert!(found == Some(status) && text.contains(words), "{options:?}: {found:?}: {text}");
    }
    let (_, text) = work.status(&[], &mismatched);
    assert!(text.contains("\n  allocated by operator new\n    at take() (heap.cpp:"), "{text}");
    assert_eq!(work.status(&[], &["./heap"]).0, Some(0));
    let accept = ["baseline", "write", "heap.json", "--", "./heap", "once"];
    assert_eq!(work.memtrace(&accept).code(), Some(0));
    assert_eq!(work.status(&["--baseline", "heap.json"], &mismatched).0, Some(0));
    // Glibc ends the process at the second; whoever started it goes on.
    let (status, text) = work.status(&[], &["sh", "-c", "./heap twice 2>/dev/null; true"]);
    assert!(status == Some(1) && text.contains("error: double free: "), "{status:?}: {text}");
}

//! Where the report goes, when there is one, and that the target notices nothing.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memtrace_tests::{How, Job, Place, pair, workspace};

const LEAK: &str = r#"
#include <stdlib.h>
#include <unistd.h>
static __attribute__((noinline)) void *plant(void) { void *volatile block = malloc(4321); return block; }
int main(void) { for (volatile int i = 0; i < 7; i++) plant(); (void)!write(1, "out\n", 4); return 3; }
"#;
const PLANTED: &str = "30,247 bytes in 7 blocks are definitely lost\n    at plant (leak.c:";

fn leak(place: &Place) -> Job<'_> {
    place.job(How::Bare, place.c("leak", LEAK, &[]))
}

/// Runs it, and checks that its own output and status are untouched.
fn run(job: Job<'_>) -> String {
    let ended = job.run();
    assert_eq!((ended.stdout.as_str(), ended.code()), ("out\n", Some(3)), "{}", ended.stderr);
    ended.stderr
}

#[test]
fn the_report_goes_to_stderr_and_no_file_is_left() {
    let place = Place::new();
    let stderr = run(leak(&place));
    assert!(stderr.contains(PLANTED), "{stderr}");
    assert_eq!(place.files(""), ["leak", "leak.c"]);
}

#[test]
fn out_is_a_pattern_for_a_new_file_that_its_owner_alone_can_read() {
    let place = Place::new();
    let stderr = run(leak(&place).env("MEMTRACE_OUT", "%e.%p.%t.%%.txt"));
    assert_eq!(stderr, "");
    let files = place.files(".txt");
    let [file] = &files[..] else { panic!("{files:?}") };
    let parts: Vec<&str> = file.split('.').collect();
    let [program, pid, seconds, percent, "txt"] = parts[..] else { panic!("{file}") };
    assert_eq!((program, percent), ("leak", "%"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    assert!(now - seconds.parse::<u64>().expect("a number") < 60, "{seconds}, now {now}");
    assert!(place.read(file).contains(&format!("memtrace: leak (pid {pid})\n")));
    assert!(place.read(file).contains(PLANTED));
    let mode = std::fs::metadata(place.join(file)).expect("it is there").mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn no_existing_file_is_written_to() {
    let place = Place::new();
    for setting in ["MEMTRACE_OUT", "MEMTRACE_JSON"] {
        place.write("mine", "mine");
        place.write("target", "target");
        let _ = symlink(place.join("target"), place.join("link"));
        let _ = symlink(place.join("nowhere"), place.join("dangling"));
        for name in ["mine", "link", "dangling"] {
            run(leak(&place).env(setting, name));
            let files = place.files(&format!("{name}."));
            assert_eq!(files.len(), 1, "{setting}={name}: {files:?}");
            assert!(place.read(&files[0]).contains("plant"));
            assert_eq!((place.read("mine").as_str(), place.read("target").as_str()), ("mine", "target"));
            std::fs::remove_file(place.join(&files[0])).expect("it is there");
        }
        assert_eq!(place.files("nowhere"), [""; 0], "a link that leads nowhere is not followed");
    }
}

#[test]
fn devices_and_pipes_are_written_to() {
    let place = Place::new();
    leak(&place);
    for null in ["/dev/null", "/dev/full"] {
        run(place.job(How::Bare, place.join("leak")).env("MEMTRACE_OUT", null));
    }
    let script = "mkfifo pipe; cat pipe >read & MEMTRACE_OUT=pipe ./leak; status=$?; wait; exit $status";
    let through = place
        .job(How::Native, "/bin/sh")
        .args(["-c", &format!("LD_PRELOAD={}; export LD_PRELOAD; {script}", pair().library.display())]);
    run(through.env("MEMTRACE_EXE", "leak"));
    assert!(place.read("read").contains(PLANTED), "{}", place.read("read"));
}

/// Places where nothing can be written.
const UNWRITABLE: [&str; 3] = ["no/such/folder/x", "/proc/no", "/dev/full"];

#[test]
fn a_report_that_cannot_be_written_is_one_line_on_stderr_and_leaves_no_file() {
    let place = Place::new();
    for out in UNWRITABLE {
        let stderr = run(leak(&place).env("MEMTRACE_OUT", out));
        assert!(stderr.starts_with(&format!("memtrace: cannot write `{out}`: ")), "{stderr}");
        assert_eq!(
            (stderr.lines().count(), place.files("")),
            (1, vec!["leak".to_owned(), "leak.c".to_owned()]),
            "{out}: {stderr}"
        );
    }
}

#[test]
fn a_profile_that_cannot_be_written_does_not_cost_the_report() {
    let place = Place::new();
    for json in UNWRITABLE {
        let stderr = run(leak(&place).env("MEMTRACE_JSON", json));
        assert!(stderr.contains(&format!("memtrace: cannot write `{json}`: ")), "{stderr}");
        assert!(stderr.contains(PLANTED), "{json}: {stderr}");
        assert_eq!(place.files(""), ["leak", "leak.c"], "{json}: {stderr}");
    }
}

#[test]
fn out_none_prints_nothing_and_the_profile_is_still_written() {
    let place = Place::new();
    assert_eq!(run(leak(&place).env("MEMTRACE_OUT", "none")), "");
    assert_eq!(place.files(""), ["leak", "leak.c"]);
    assert_eq!(run(leak(&place).env("MEMTRACE_OUT", "none").env("MEMTRACE_JSON", "x.json")), "");
    assert_eq!(memtrace_tests::read_profile(&place.join("x.json"))[0].live("plant"), (30_247, 7));
}

#[test]
fn quiet_prints_and_writes_nothing() {
    let place = Place::new();
    let job = leak(&place).env("MEMTRACE_QUIET", "1").env("MEMTRACE_OUT", "x").env("MEMTRACE_JSON", "y");
    assert_eq!(run(job.env("MALLOC_FAIL_AFTER", "99")), "");
    assert_eq!(place.files(""), ["leak", "leak.c"]);
}

#[test]
fn a_clean_process_prints_nothing_unless_summary_is_asked_for() {
    let place = Place::new();
    let program =
        place.c("clean", "#include <stdlib.h>\nint main(void) { free(malloc(5)); return 0; }", &["-fno-builtin"]);
    assert_eq!(place.job(How::Bare, &program).run().stderr, "");
    assert_eq!(place.job(How::Bare, &program).env("MEMTRACE_SUMMARY", "0").run().stderr, "");
    let stderr = place.job(How::Bare, &program).env("MEMTRACE_SUMMARY", "1").run().stderr;
    let said = "  allocations: 1 (5 bytes)\n  frees: 1 (5 bytes)\n  peak: 5 bytes\n  live at the end: 0 bytes in 0 blocks from 0 stacks\n  losses: none\n";
    assert!(stderr.ends_with(said), "{stderr}");
}

#[test]
fn exe_limits_recording_to_programs_of_that_name() {
    let place = Place::new();
    for (glob, is_recorded) in [("leak", true), ("l*", true), ("?eak", true), ("leaks", false), ("*x*", false)] {
        let stderr = run(leak(&place).env("MEMTRACE_EXE", glob).env("MEMTRACE_SUMMARY", "1"));
        assert_eq!(stderr.contains(PLANTED), is_recorded, "{glob}: {stderr}");
        assert!(is_recorded || stderr.is_empty(), "{glob}: {stderr}");
    }
}

#[test]
fn top_limits_the_leaks_and_counts_the_rest() {
    let place = Place::new();
    let source = r#"
        #include <stdlib.h>
        int main(void) {
            void *volatile kept;
            kept = malloc(1000); kept = malloc(200); kept = malloc(30); kept = malloc(4);
            return 0;
        }
    "#;
    let program = place.c("four", source, &[]);
    let stderr = |top: &str| place.job(How::Bare, &program).env("MEMTRACE_TOP", top).run().stderr;
    let two = stderr("2");
    assert!(two.contains("\n200 bytes in 1 blocks are") && !two.contains("\n30 bytes in"), "{two}");
    assert!(two.contains("\n2 more leaks not shown: 34 bytes in 2 blocks\n"), "{two}");
    assert!(
        stderr("all").contains("\n4 bytes in 1 blocks are")
            && stderr("0").contains("\n4 more leaks not shown: 1,234 bytes in 4 blocks\n")
    );
}

#[test]
fn a_report_that_nobody_reads_holds_the_end_up_no_longer_than_the_deadline() {
    let place = Place::new();
    // More text than a pipe holds.
    let calls: String = (0..900).map(|number| format!("kept = malloc({});\n", 100 + number)).collect();
    let source = format!("#include <stdlib.h>\nint main(void) {{ void *volatile kept;\n{calls} return 4; }}");
    place.c("many", &source, &[]);
    // Opened for reading and writing, a fifo takes what fits and then holds whoever writes.
    let script = format!("mkfifo pipe; exec 3<>pipe; LD_PRELOAD={} ./many 2>&3; echo $?", pair().library.display());
    let job = place.job(How::Native, "/bin/sh").args(["-c", &script]);
    let began = Instant::now();
    let ended = job.env("MEMTRACE_DEADLINE", "1").env("MEMTRACE_TOP", "all").run();
    assert_eq!(ended.stdout, "4\n", "{}", ended.stderr);
    let took = began.elapsed();
    assert!(took > Duration::from_millis(900), "the pipe was not full: {took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn a_program_that_closes_its_stderr_at_the_end_still_gets_its_report() {
    let place = Place::new();
    // As coreutils do it, and once more in a destructor.
    let source = r#"
        #include <stdio.h>
        #include <stdlib.h>
        #include <unistd.h>
        static void close_out(void) { fclose(stdout); fclose(stderr); close(2); }
        __attribute__((destructor)) static void destructor(void) { close(2); }
        int main(void) { void *volatile block = malloc(123); (void)block; atexit(close_out); fputs("last words\n", stderr); return 2; }
    "#;
    let program = place.c("closes", source, &[]);
    let ended = place.job(How::Bare, program).run();
    assert_eq!(ended.code(), Some(2));
    assert!(ended.stderr.starts_with("last words\nmemtrace: closes (pid "), "{}", ended.stderr);
    assert!(ended.stderr.contains("123 bytes in 1 blocks are definitely lost\n"), "{}", ended.stderr);
}

#[test]
fn another_file_in_stderrs_place_gets_nothing() {
    let place = Place::new();
    let source = r#"
        #include <fcntl.h>
        #include <stdlib.h>
        #include <unistd.h>
        int main(int argc, char **argv) {
            void *volatile block = malloc(123);
            (void)block;
            close(2);
            if (argc > 1 && open(argv[1], O_WRONLY | O_CREAT, 0600) != 2) return 1;
            return 2;
        }
    "#;
    let program = place.c("replaces", source, &[]);
    for arguments in [&["mine"][..], &[]] {
        let ended = place.job(How::Bare, &program).args(arguments).run();
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(2), ""));
    }
    assert_eq!(place.read("mine"), "");
    assert_eq!(place.files("memtrace"), [""; 0]);
    // A file of one's own is written to all the same.
    place.job(How::Bare, &program).env("MEMTRACE_OUT", "report").run();
    assert!(place.read("report").contains("123 bytes in 1 block"));
}

/// The library without its command, where nobody else can have put it.
fn alone(place: &Place) -> std::path::PathBuf {
    std::fs::create_dir_all(place.join("alone")).expect("the place can be written to");
    std::fs::set_permissions(place.join("alone"), PermissionsExt::from_mode(0o755)).expect("it is ours");
    let library = place.join("alone/libmemtrace.so");
    std::fs::copy(&pair().library, &library).expect("the library can be read");
    library
}

#[test]
fn the_library_alone_prints_a_short_report_and_leaves_a_recording_that_report_reads() {
    let place = Place::new();
    let program = place.c("leak", LEAK, &["-rdynamic"]);
    let library = alone(&place);
    let stderr = run(place.job(How::Bare, &program).library(&library));
    assert!(stderr.contains("short report"), "{stderr}");
    assert!(
        stderr.contains("30,247 bytes in 7 blocks live at the end")
            || stderr.contains("30247 bytes in 7 blocks live at the end"),
        "{stderr}"
    );
    assert!(stderr.contains("leak+0x") && stderr.contains("main+0x"), "module and exported name: {stderr}");
    let files = place.files(".memtrace");
    let [file] = &files[..] else { panic!("{files:?}") };
    assert_eq!(std::fs::metadata(place.join(file)).expect("it is there").mode() & 0o7777, 0o600);
    let report = place.job(How::Native, &pair().command).arg("report").arg(file.as_str()).run();
    assert!(report.stdout.contains(PLANTED), "{}{}", report.stdout, report.stderr);
}

#[test]
fn cli_names_the_command_for_a_library_that_is_alone() {
    let place = Place::new();
    let program = place.c("leak", LEAK, &[]);
    let library = alone(&place);
    let stderr = run(place.job(How::Bare, &program).library(&library).env("MEMTRACE_CLI", &pair().command));
    assert!(stderr.contains(PLANTED), "{stderr}");
    assert_eq!(place.files(".memtrace"), [""; 0]);
    // A command that others can write to is not started.
    let foreign = place.join("alone/memtrace");
    std::fs::copy(&pair().command, &foreign).expect("the command can be read");
    std::fs::set_permissions(&foreign, PermissionsExt::from_mode(0o777)).expect("it is ours");
    let stderr = run(place.job(How::Bare, &program).library(&library));
    assert!(stderr.contains("short report"), "{stderr}");
}

#[test]
fn the_target_sees_no_descriptor_child_file_handler_or_variable_of_ours() {
    let place = Place::new();
    let program = place.c("probe", include_str!("endings/probe.c"), &[]);
    let see = |how| {
        let ended = place.job(how, &program).env("MEMTRACE_TOP", "5").run();
        assert_eq!(ended.code(), Some(5), "{}", ended.stderr);
        let (added, seen): (Vec<String>, Vec<String>) = ended.stdout.lines().map(str::to_owned).partition(|line| {
            // When the end has begun there is a copy of stderr, high up: programs close theirs in a handler.
            ["variable LD_PRELOAD=", "variable MEMTRACE_RUN=", "fd 512 "].iter().any(|start| line.starts_with(start))
        });
        (added.len(), seen)
    };
    let (_, native) = see(How::Native);
    assert!(native.iter().filter(|line| line.starts_with("threads 1")).count() == 2, "{native:?}");
    let (bare_variables, bare) = see(How::Bare);
    assert_eq!(
        (bare_variables, &bare),
        (3, &native),
        "bare: LD_PRELOAD in main, and in the handler with the copy of stderr"
    );
    let (run_variables, run) = see(How::Run);
    assert_eq!((run_variables, &run), (4, &native), "run");
}

#[test]
fn every_profile_is_as_the_schema_says() {
    let place = Place::new();
    let text =
        std::fs::read_to_string(workspace().join("report/schema/profile-1.schema.json")).expect("the schema is there");
    let validator = jsonschema::validator_for(&text.parse().expect("JSON")).expect("a schema");
    let leak = place.c("leak", LEAK, &[]);
    let flags = ["-std=c++17"];
    let example = |name: &str| {
        place.compile(&workspace().join("examples").join(name), name, if name.ends_with("cpp") { &flags } else { &[] })
    };
    let jobs: Vec<(&str, Job<'_>)> = vec![
        ("leak", place.job(How::Bare, &leak)),
        ("run", place.job(How::Run, &leak)),
        ("fault", place.job(How::Bare, &leak).env("MALLOC_FAIL_AFTER", "2").env("MEMTRACE_TOP", "x\u{1b}")),
        ("tree", place.job(How::Run, "/bin/sh").args(["-c", "./leak; (exit 3); ls >/dev/null; kill -9 $$"])),
        ("excluded", place.job(How::Run, &leak).env("MEMTRACE_EXE", "other")),
        ("c++", place.job(How::Bare, example("exception.cpp"))),
        ("threads", place.job(How::Bare, example("threads.c"))),
        ("cut", place.job(How::Bare, example("deeper.c"))),
        ("names that are no text", place.job(How::Run, &leak).arg("\u{7}\u{202e}").env("MEMTRACE_OUT", "%x")),
    ];
    for (name, job) in jobs {
        let ended = job.record();
        assert!(!ended.profiles.is_empty(), "{name}: {}", ended.stderr);
        for path in &ended.profiles {
            let profile = std::fs::read_to_string(path).expect("it is there").parse().expect("JSON");
            let wrong: Vec<String> =
                validator.iter_errors(&profile).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(wrong.is_empty(), "{name}: {wrong:#?}");
        }
    }
    // The validator does look.
    let path = leak_profile(&place);
    let broken = place.read(&path).replacen("\"live_bytes\"", "\"alive_bytes\"", 1);
    assert!(!validator.is_valid(&broken.parse().expect("JSON")));
}

fn leak_profile(place: &Place) -> String {
    run(leak(place).env("MEMTRACE_JSON", "plain.json").env("MEMTRACE_OUT", "none"));
    "plain.json".to_owned()
}

#[test]
fn a_death_without_any_code_of_ours_leaves_nothing_behind_in_bare_mode() {
    let place = Place::new();
    let source = r#"
        #include <signal.h>
        #include <stdlib.h>
        int main(int argc, char **argv) { void *volatile block = malloc(9); (void)argc; (void)block; raise(atoi(argv[1])); return 0; }
    "#;
    let program = place.c("dies", source, &[]);
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGSEGV] {
        let ended = place.job(How::Bare, &program).arg(signal.to_string()).run();
        assert_eq!((ended.signal(), ended.stderr.as_str()), (Some(signal), ""));
    }
    assert_eq!(place.files(""), ["dies", "dies.c"]);
}

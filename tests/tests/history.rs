//! What a run looked like while it went: curves of programs that say themselves what is true of them, told from outside.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use memtrace_tests::{How, Json, Place, Process, pair, workspace};

fn series(process: &Process, key: &str) -> Vec<i64> {
    let values = process.json["history"][key].as_array().unwrap_or_else(|| panic!("no {key}"));
    values.iter().map(|value| value.as_i64().expect("a number")).collect()
}

/// Shape and mean life of each function's sites that have one.
fn shapes(process: &Process) -> BTreeMap<String, (String, Option<u64>)> {
    let curves = process.json["history"]["curves"].as_array().expect("a list");
    let of = |curve: &Json| {
        let site = &process.sites[curve["site"].as_u64().expect("a place") as usize];
        let shape = curve["shape"].as_str().expect("a word").to_owned();
        // `take` stands innermost.
        (
            site.frames.get(1).map(|frame| frame.function.clone()).unwrap_or_default(),
            (shape, curve["mean_life_ns"].as_u64()),
        )
    };
    curves.iter().map(of).collect()
}

fn report(place: &Place, file: &Path, options: &[&str]) -> String {
    let job = place.job(How::Native, &pair().command).arg("report").args(options.iter().copied()).arg(file);
    let ended = job.run();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    ended.stdout
}

#[test]
fn each_shape_is_told_of_the_function_that_has_it_and_memory_adds_up() {
    let place = Place::new();
    let program = place.compile(&workspace().join("tests/tests/history/shapes.c"), "shapes", &[]);
    let ended = place.job(How::Run, &program).record();
    let process = ended.process();
    let (time, live, rss) = (series(process, "time_ns"), series(process, "live_bytes"), series(process, "rss_bytes"));
    assert!(time.len() >= 20 && time.len() <= 512 && time.is_sorted(), "{time:?}");
    assert_eq!((live[0], rss[0], rss[rss.len() - 1]), (0, -1, -1));
    for (key, summary) in [
        ("live_bytes", "live_bytes"),
        ("live_blocks", "live_blocks"),
        ("allocations", "allocations"),
        ("allocated_bytes", "allocated_bytes"),
    ] {
        let end = *series(process, key).last().expect("there is a moment");
        assert_eq!(end as u64, process.summary(summary), "{key}");
    }
    assert!(series(process, "allocations").is_sorted());
    assert!(live.iter().all(|&bytes| bytes as u64 <= process.summary("peak_bytes")));
    let [anonymous, file, own] = ["anonymous_bytes", "file_bytes", "own_bytes"].map(|key| series(process, key));
    for place in (0..time.len()).filter(|&place| rss[place] >= 0) {
        assert_eq!(anonymous[place] + file[place] + own[place], rss[place]);
        assert!(own[place] > 0, "the recording is there");
    }
    let mut said = ended.stdout.split_whitespace().map(|number| number.parse::<i64>().expect("a number"));
    let (most, lived) = (said.next().expect("the most memory"), said.next().expect("the mean life"));
    let highest = *rss.iter().max().expect("a moment");
    // The kernel's counters lag by some pages a thread.
    assert!(highest <= most + (1 << 20) && highest * 2 >= most, "{highest} and {most}");

    let shapes = shapes(process);
    let shapes: BTreeMap<_, _> = shapes
        .into_iter()
        .filter(|(function, _)| ["cached", "churner", "leaker", "startup"].contains(&function.as_str()))
        .collect();
    let words: Vec<(&str, &str)> =
        shapes.iter().map(|(function, (word, _))| (function.as_str(), word.as_str())).collect();
    assert_eq!(words, [("cached", "plateau"), ("churner", "churn"), ("leaker", "grows"), ("startup", "once")]);
    // On a busy machine there are few looks, and chance has more to say.
    let life = shapes["churner"].1.expect("it was found alive") as i64;
    assert!(life * 10 >= lived && life <= lived * 10, "{life} and {lived}");
    let whole = time[time.len() - 1];
    let startup = shapes["startup"].1.expect("it was found alive") as i64;
    assert!(startup * 10 >= whole * 8 && startup <= whole, "{startup} of {whole}");

    let text = report(&place, &ended.profiles[0], &["--overview", "always", "--show", "all"]);
    for piece in ["\ntime: ", " grows, a block lives for ", " once, a block", " plateau, ", "RSS: ", "\ntemporary: 15"]
    {
        assert!(text.contains(piece), "{piece:?} is not in {text}");
    }
    assert!(text.is_ascii(), "{text}");
    // Exact: 150 blocks of 1,000 bytes, 40 of 4,096, one of a MiB.
    for line in ["150,000 bytes in 150 blocks\n", "163,840 bytes in 40 blocks\n", "1,048,576 bytes in 1 block\n"] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    assert!(!report(&place, &ended.profiles[0], &[]).contains("\ntime: "), "nobody asked");
}

#[test]
fn the_rest_of_the_memory_is_told_from_the_heap() {
    let place = Place::new();
    let program = place.compile(&workspace().join("tests/tests/history/maps.c"), "maps", &["-pthread"]);
    let data = place.write("da\u{1b}ta", "");
    let ended = place.job(How::Run, &program).arg(&data).record();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let process = ended.process();
    let looks = process.json["history"]["parts"].as_array().expect("somebody looked");
    assert!((1..=2).contains(&looks.len()), "{looks:?}");
    const MIB: u64 = 1 << 20;
    for look in looks {
        let number = |key: &str| look[key].as_u64().unwrap_or_else(|| panic!("no {key}"));
        let keys = ["heap", "mapped", "shared", "file", "module", "stack", "own"];
        let parts = keys.map(|key| number(&format!("{key}_bytes")));
        assert_eq!(parts.iter().sum::<u64>(), number("rss_bytes"), "{look}");
        // What the C library and the loader map for themselves is small.
        for (part, expected) in parts.iter().zip([32, 64, 16, 4]) {
            assert!((expected * MIB..(expected + 1) * MIB).contains(part), "{expected} MiB: {look}");
        }
        assert!((3 * MIB..4 * MIB).contains(&parts[5]) && parts[4] > MIB / 2 && parts[6] > MIB / 2, "{look}");
        assert!(number("live_bytes") >= 31 * MIB, "{look}");
        let largest = |place: usize| look["largest"][place]["resident_bytes"].as_u64();
        assert_eq!((largest(1), largest(2)), (Some(16 * MIB), Some(4 * MIB)), "{look}");
    }
    let text = report(&place, &ended.profiles[0], &["--overview", "always"]);
    for piece in [
        "64.0 MiB  mappings without a file",
        "16.0 MiB  shared memory",
        "4.0 MiB  files that are mapped",
        "3.0 MiB  stacks of threads",
        "/da\\u{1b}ta\n",
    ] {
        assert!(text.contains(piece), "{piece:?} is not in {text}");
    }
}

#[test]
fn without_a_launcher_nobody_looked_and_the_report_says_so() {
    let place = Place::new();
    let program = place.c("app", "#include <stdlib.h>\nint main(void) { return malloc(9) == 0; }", &[]);
    let ended = place.job(How::Bare, &program).record();
    assert!(ended.process().json.get("history").is_none());
    let text = report(&place, &ended.profiles[0], &["--overview", "always"]);
    assert!(text.contains("\ntime: nobody looked at this process while it ran"), "{text}");
}

#[test]
fn every_image_has_a_past_of_its_own_also_the_shortest() {
    let place = Place::new();
    let source = "#include <stdlib.h>\n#include <unistd.h>\n#include <sys/wait.h>\n\
        int main(int count, char **words) {\n\
        if (count > 1) { void *kept = malloc(2000); usleep(200000); return kept == 0; }\n\
        void *first = malloc(1000);\n\
        if (fork() == 0) { void *own = malloc(3000); usleep(200000); _exit(own == 0); }\n\
        usleep(200000); wait(0);\n\
        char *again[] = {words[0], \"x\", 0}; execv(words[0], again); return first == 0; }";
    let program = place.c("app", source, &[]);
    let ended = place.job(How::Run, &program).record();
    assert_eq!(ended.processes.len(), 3, "{}", ended.stderr);
    let ends: Vec<i64> = ended.processes.iter().map(|process| *series(process, "live_bytes").last().unwrap()).collect();
    assert_eq!(ends, [1000, 3000, 2000], "a child, and a new image, begin with nothing");
    for process in &ended.processes {
        let time = series(process, "time_ns");
        assert!(time.len() >= 3 && *time.last().unwrap() >= 150_000_000, "{time:?}");
    }
    let short = place.job(How::Run, "/bin/true").record();
    let time = series(short.process(), "time_ns");
    assert!((2..5).contains(&time.len()) && time[0] == 0, "{time:?}");
}

#[test]
fn a_process_that_lives_on_keeps_the_past_that_was_seen() {
    let place = Place::new();
    let source = "#include <stdlib.h>\n#include <unistd.h>\nvoid *volatile kept;\n\
        __attribute__((noinline)) void child(void) { kept = malloc(5000); usleep(900000); kept = malloc(70); _exit(0); }\n\
        int main(void) { if (fork() == 0) { close(0); close(1); close(2); setsid(); child(); }\n\
        kept = malloc(1000); usleep(400000); return 0; }";
    let program = place.c("app", source, &[]);
    let ended = place.job(How::Run, &program).record();
    assert!(ended.stderr.contains("1 process lives on"), "{}", ended.stderr);
    let until = Instant::now() + Duration::from_secs(30);
    let completed = loop {
        let processes = memtrace_tests::read_profile(&ended.profiles[0]);
        if processes.iter().any(|process| process.summary("live_bytes") == 5070) {
            break processes;
        }
        assert!(Instant::now() < until, "the keeper did not complete the profile");
        std::thread::sleep(Duration::from_millis(50));
    };
    let child = completed.iter().find(|process| process.summary("live_bytes") == 5070).expect("it was found");
    let (time, live) = (series(child, "time_ns"), series(child, "live_bytes"));
    assert!(live.iter().filter(|&&bytes| bytes == 5000).count() >= 2, "{live:?}");
    assert!(*time.last().unwrap() < 900_000_000, "it ends with the launcher: {time:?}");
    let curves = child.json["history"]["curves"].as_array().expect("a list");
    let site = |curve: &Json| &child.sites[curve["site"].as_u64().expect("a place") as usize];
    assert!(curves.iter().any(|curve| site(curve).number("live_bytes") == 5000), "{curves:?}");
}

#[test]
fn a_traced_run_and_one_with_rounds_are_looked_at_too() {
    let place = Place::new();
    let source = "#include <stdlib.h>\n#include <unistd.h>\n\
        void *volatile kept;\n\
        int main(void) { kept = malloc(1000); usleep(600000); abort(); }";
    let program = place.c("app", source, &[]);
    for options in [&["--crash"][..], &["--every", "1s"]] {
        let file = place.join(&place.unused_name());
        let job = place.job(How::Native, &pair().command).arg("run").arg("-o").arg(&file).args(options.iter().copied());
        let ended = job.arg("--").arg(&program).run();
        assert_eq!(ended.signal(), Some(libc::SIGABRT), "{}", ended.stderr);
        let process = memtrace_tests::read_profile(&file).remove(0);
        assert!(
            series(&process, "live_bytes").iter().filter(|&&bytes| bytes == 1000).count() >= 3,
            "{options:?}: {}",
            process.json["history"]
        );
    }
}

#[test]
fn a_check_that_keeps_its_profile_looks_too() {
    let place = Place::new();
    let source = "#include <stdlib.h>\n#include <unistd.h>\n\
        void *volatile kept;\n\
        int main(void) { kept = malloc(1000); usleep(600000); return 0; }";
    let program = place.c("app", source, &[]);
    let check = |words: &[&str]| {
        let job = place.job(How::Native, &pair().command).arg("check").args(words.iter().copied());
        let ended = job.arg("--").arg(&program).run();
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    };
    check(&["--profile", "kept.json"]);
    let process = memtrace_tests::read_profile(&place.join("kept.json")).remove(0);
    let live = series(&process, "live_bytes");
    assert!(live.iter().filter(|&&bytes| bytes == 1000).count() >= 3, "{live:?}");
}

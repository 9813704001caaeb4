//! Each format opened by its own tool, and its totals compared with the profile's, number by number.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use memtrace_tests::{How, Json, PATIENCE, pair, read_json, workspace};

use crate::work::{Work, number, of, pprof, tool_path};

#[test]
fn pprof_sums_up_what_the_profile_has() {
    let work = Work::new();
    let summary = work.record("a.json", &[]);
    work.record("b.json", &["more"]);
    work.export("pprof", "a.json", "a.pb.gz");
    work.export("pprof", "b.json", "b.pb.gz");
    let top = |words: &[&str]| work.said_by("go", &[&["tool", "pprof", "-top", "-unit=B"], words].concat());
    for (index, key) in [
        ("inuse_space", "live_bytes"),
        ("inuse_objects", "live_blocks"),
        ("alloc_space", "allocated_bytes"),
        ("alloc_objects", "allocations"),
    ] {
        let Some(said) = top(&[&format!("-sample_index={index}"), "a.pb.gz"]) else { return };
        let total = said.split("of ").nth(1).and_then(|rest| number(rest, "B total"));
        assert_eq!(total, Some(of(&summary, key)), "{index}: {said}");
    }
    // An inlined call is a function of its own, at the line that says it.
    let lines = top(&["-lines", "a.pb.gz"]).expect("go is there");
    assert!(lines.contains("inlined ") && lines.contains("leaky.c:5 (inline)"), "{lines}");
    assert!(!lines.contains("pairs"), "nothing of it is live: {lines}");
    let lost = top(&["-tagfocus=kind=definite", "a.pb.gz"]).expect("go is there");
    assert!(lost.contains("lose") && !lost.contains("deep"), "{lost}");
    let tags = work.said_by("go", &["tool", "pprof", "-tags", "a.pb.gz"]).expect("go is there");
    assert!(tags.contains("definite") && tags.contains("reachable") && tags.contains("leaky (tid "), "{tags}");
    // The two blocks more: 1005 and 1006 bytes.
    let change = top(&["-diff_base=a.pb.gz", "b.pb.gz"]).expect("go is there");
    let line = change.lines().find(|line| line.trim_end().ends_with("lose")).unwrap_or_default();
    assert!(change.contains("Showing nodes accounting for 2011B") && line.contains("2011B"), "{change}");
    let raw = work.said_by("go", &["tool", "pprof", "-raw", "a.pb.gz"]).expect("go is there");
    let modules = &read_json(&work.place.join("a.json"))["processes"][0]["modules"];
    let of_program = modules
        .as_array()
        .and_then(|all| all.iter().find(|one| one["path"].as_str().is_some_and(|path| path.ends_with("leaky"))));
    let id = of_program.and_then(|module| module["build_id"].as_str()).expect("it has a build-id");
    assert!(id.len() == 40 && raw.contains(id), "{raw}");
}

#[test]
fn pprofs_pages_show_it() {
    let work = Work::new();
    work.record("a.json", &[]);
    work.export("pprof", "a.json", "a.pb.gz");
    let Some(pprof) = pprof() else { return };
    let mut server = Command::new(pprof)
        .args(["-http=localhost:", "-no_browser", "a.pb.gz"])
        .current_dir(work.place.path())
        .env("PPROF_TMPDIR", work.place.path())
        .env("HOME", work.place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let mut said = BufReader::new(server.stderr.take().expect("it is a pipe"));
    let mut line = String::new();
    let address = loop {
        line.clear();
        assert!(said.read_line(&mut line).is_ok_and(|length| length > 0), "it ended before it served");
        if let Some((_, address)) = line.trim().split_once("http://") {
            break address.to_owned();
        }
    };
    let mut page = String::new();
    // It says where it serves a moment before it does.
    let until = Instant::now() + PATIENCE;
    let connect = || loop {
        match TcpStream::connect(&address) {
            Err(_) if Instant::now() < until => sleep(Duration::from_millis(20)),
            connected => break connected,
        }
    };
    let asked = connect().and_then(|mut stream| {
        write!(stream, "GET /ui/top?si=inuse_space HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        stream.read_to_string(&mut page)
    });
    server.kill().expect("it is ours");
    server.wait().expect("it is ours");
    asked.unwrap_or_else(|error| panic!("{address}: {error}"));
    assert!(page.starts_with("HTTP/1.0 200") && page.contains("lose") && page.contains("inlined"), "{page}");
}

#[test]
fn massif_is_drawn_with_the_peak_and_the_end() {
    let work = Work::new();
    let summary = work.record("a.json", &[]);
    work.export("massif", "a.json", "massif.out");
    let Some(said) = work.said_by("ms_print", &["massif.out"]) else { return };
    let totals: Vec<u64> = said
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words.len() == 6 && words[0].parse::<u32>().is_ok()).then(|| words[2].replace(',', "").parse().ok())?
        })
        .collect();
    // On a busy machine the run lasts long enough to be looked at in between.
    let (peak, live) = (of(&summary, "peak_bytes"), of(&summary, "live_bytes"));
    assert_eq!((totals.first(), totals.iter().max(), totals.last()), (Some(&0), Some(&peak), Some(&live)), "{said}");
    let place = totals.iter().position(|&total| total == peak).expect("it is there");
    assert!(said.contains(&format!("Detailed snapshots: [{place} (peak), {}]", totals.len() - 1)), "{said}");
    assert!(said.contains("lose (leaky.c:6)") && said.contains("inlined (leaky.c:5)"), "{said}");
}

#[test]
fn heaptrack_counts_the_same() {
    let work = Work::new();
    let summary = work.record("a.json", &[]);
    work.export("heaptrack", "a.json", "heaptrack.txt");
    let words = [
        "--disable-builtin-suppressions",
        "--print-leaks=1",
        "--flamegraph-cost-type",
        "leaked",
        "-F",
        "leaked.txt",
        "heaptrack.txt",
    ];
    let Some(said) = work.said_by("heaptrack_print", &words) else { return };
    let after =
        |text: &str| said.lines().find_map(|line| line.strip_prefix(text)).unwrap_or_default().trim().to_owned();
    assert!(
        after("calls to allocation functions:").starts_with(&format!("{} ", of(&summary, "allocations"))),
        "{said}"
    );
    let sites = read_json(&work.place.join("a.json"))["processes"][0]["sites"].clone();
    let temporary: u64 =
        sites.as_array().into_iter().flatten().filter_map(|site| site["temporary_blocks"].as_u64()).sum();
    assert!(
        temporary >= 1000 && after("temporary memory allocations:").starts_with(&format!("{temporary} ")),
        "{said}"
    );
    let short = |bytes: u64| format!("{}.{:02}K", bytes / 1000, bytes % 1000 / 10);
    // heaptrack rounds to the nearest.
    for (text, key) in [("peak heap memory consumption:", "peak_bytes"), ("total memory leaked:", "live_bytes")] {
        let bytes = of(&summary, key);
        let near = [short(bytes), short(bytes + 5)];
        assert!(near.contains(&after(text)), "{text} {near:?}: {said}");
    }
    // Exactly, from its own flame graph.
    let leaked: u64 =
        work.place.read("leaked.txt").lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
    assert_eq!(leaked, of(&summary, "live_bytes"));
    assert!(said.contains("in ") && said.contains("lose"), "{said}");
}

#[test]
fn callgrind_is_annotated_own_and_inclusive() {
    let work = Work::new();
    let summary = work.record("a.json", &[]);
    work.export("callgrind", "a.json", "callgrind.out");
    let Some(own) = work.said_by("callgrind_annotate", &["--auto=no", "callgrind.out"]) else { return };
    let inclusive =
        work.said_by("callgrind_annotate", &["--auto=no", "--inclusive=yes", "callgrind.out"]).expect("it is there");
    for said in [&own, &inclusive] {
        let total = said.lines().find(|line| line.ends_with("PROGRAM TOTALS")).expect("a line of totals");
        let numbers: Vec<u64> =
            total.split_whitespace().filter_map(|word| word.replace(',', "").parse().ok()).collect();
        let keys =
            ["live_bytes", "live_blocks", "live_bytes", "peak_bytes", "live_blocks", "allocated_bytes", "allocations"];
        for place in [0, 1, 3, 5, 6] {
            assert_eq!(numbers[place], of(&summary, keys[place]), "{said}");
        }
        assert!(!said.contains("WARNING"), "{said}");
    }
    let main = inclusive.lines().find(|line| line.contains(":main ")).expect("main is there");
    assert_eq!(
        main.split_whitespace().next().map(|word| word.replace(',', "")),
        Some(of(&summary, "live_bytes").to_string())
    );
    // A recursion does not count twice.
    let deep: Vec<&str> = inclusive.lines().filter(|line| line.contains(":deep")).collect();
    assert!(deep.len() == 4 && deep.iter().all(|line| line.trim_start().starts_with("3,000")), "{deep:?}");
}

#[test]
fn dhats_viewer_shows_it() {
    let work = Work::new();
    let summary = work.record("a.json", &[]);
    work.export("dhat", "a.json", "dhat.out");
    let viewer = "/usr/libexec/valgrind/dh_view.js";
    if !std::path::Path::new(viewer).is_file() {
        println!("skipped: there is no {viewer}");
        return;
    }
    let script = workspace().join("tests/tests/export/dh_view.js");
    let script = script.to_str().expect("a path in UTF-8");
    let Some(page) = work.said_by("node", &[script, viewer, "dhat.out"]) else { return };
    let bytes = |key: &str| {
        let digits = of(&summary, key).to_string();
        let mut text = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    };
    for (title, bytes_key, blocks_key) in
        [("Total", "allocated_bytes", "allocations"), ("At t-end", "live_bytes", "live_blocks")]
    {
        let place = page.find(&format!("{title}:")).unwrap_or_else(|| panic!("no {title}: {page}"));
        let line: String = page[place..].chars().take(200).collect();
        assert!(
            line.contains(&format!("{} bytes", bytes(bytes_key)))
                && line.contains(&format!("{} blocks", bytes(blocks_key))),
            "{line}"
        );
    }
    let place = page.find("At t-gmax:").expect("the peak");
    assert!(page[place..].contains(&format!("{} bytes", bytes("peak_bytes"))), "{page}");
    assert!(page.contains("lose (leaky.c:6)") && page.contains("inlined (leaky.c:5)"), "{page}");
}

/// The sum of a speedscope profile, of a Firefox thread or of a column.
fn sum(numbers: &Json) -> u64 {
    numbers.as_array().into_iter().flatten().filter_map(Json::as_u64).sum()
}

#[test]
fn speedscope_and_the_firefox_profiler_have_every_number() {
    let work = Work::new();
    let summary = work.record("a.json", &[]);
    work.export("speedscope", "a.json", "a.speedscope.json");
    work.export("firefox", "a.json", "a.firefox.json");
    let scope = read_json(&work.place.join("a.speedscope.json"));
    let fox = read_json(&work.place.join("a.firefox.json"));
    for (place, key) in [(0, "live_bytes"), (2, "peak_bytes"), (3, "allocated_bytes")] {
        assert_eq!(sum(&scope["profiles"][place]["weights"]), of(&summary, key), "{key}");
        assert_eq!(scope["profiles"][place]["endValue"], summary[key]);
        assert_eq!(sum(&fox["threads"][place]["samples"]["weight"]), of(&summary, key), "{key}");
    }
    assert!(scope["profiles"][1]["name"].as_str().is_some_and(|name| name.ends_with(": bytes leaked")));
    for profile in scope["profiles"].as_array().expect("a list") {
        let frames = scope["shared"]["frames"].as_array().map_or(0, Vec::len) as u64;
        let samples = profile["samples"].as_array().expect("a list");
        assert_eq!(Some(samples.len()), profile["weights"].as_array().map(Vec::len));
        assert!(
            samples
                .iter()
                .flat_map(|stack| stack.as_array().into_iter().flatten())
                .all(|frame| frame.as_u64() < Some(frames))
        );
        // Callers come first.
        let name =
            |frame: &Json| scope["shared"]["frames"][frame.as_u64().unwrap_or(u64::MAX) as usize]["name"].clone();
        assert!(samples.iter().all(|stack| name(&stack[0]) == "_start"), "{samples:?}");
    }
    check_tables(&fox);
    // The schema is a part of speedscope's package: MEMTRACE_TEST_TOOLS may have it.
    let schema = std::env::var_os("MEMTRACE_TEST_TOOLS")
        .map(|tools| std::path::Path::new(&tools).join("speedscope-schema.json"));
    let Some(schema) = schema.filter(|path| path.is_file()) else {
        println!("skipped: there is no speedscope-schema.json");
        return;
    };
    let validator = jsonschema::validator_for(&read_json(&schema)).expect("a schema");
    let wrong: Vec<String> = validator.iter_errors(&scope).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// All columns of a table have its length, and every reference leads into the table that it is meant for.
fn check_tables(fox: &Json) {
    let shared = &fox["shared"];
    let tables = ["stackTable", "frameTable", "funcTable", "resourceTable", "nativeSymbols", "sources"];
    let length = |name: &str| match name {
        "stringArray" => shared[name].as_array().map_or(0, Vec::len) as u64,
        "libs" => fox[name].as_array().map_or(0, Vec::len) as u64,
        _ => shared[name]["length"].as_u64().expect("a length"),
    };
    for name in tables {
        for (column, values) in
            shared[name].as_object().expect("a table").iter().filter(|(column, _)| *column != "length")
        {
            assert_eq!(values.as_array().map(Vec::len), Some(length(name) as usize), "{name}.{column}");
        }
    }
    for (table, column, other) in [
        ("stackTable", "frame", "frameTable"),
        ("stackTable", "prefix", "stackTable"),
        ("frameTable", "func", "funcTable"),
        ("funcTable", "name", "stringArray"),
        ("funcTable", "resource", "resourceTable"),
        ("funcTable", "source", "sources"),
        ("resourceTable", "name", "stringArray"),
        ("resourceTable", "lib", "libs"),
        ("sources", "filename", "stringArray"),
    ] {
        let values = shared[table][column].as_array().expect("a column");
        let is_sound =
            |value: &Json| value.is_null() || value == &Json::from(-1) || value.as_u64() < Some(length(other));
        assert!(values.iter().all(is_sound), "{table}.{column}");
    }
    for thread in fox["threads"].as_array().expect("a list") {
        let samples = &thread["samples"];
        let length_of = samples["length"].as_u64().expect("a length") as usize;
        for column in ["stack", "timeDeltas", "weight"] {
            assert_eq!(samples[column].as_array().map(Vec::len), Some(length_of), "{column}");
        }
        assert!(
            samples["stack"].as_array().into_iter().flatten().all(|stack| stack.as_u64() < Some(length("stackTable")))
        );
    }
}

#[test]
fn folded_stacks_and_rows_sum_up() {
    let work = Work::new();
    let summary = work.record("a.json", &[]);
    let folded = |metric: &str| {
        let ended = work.memtrace(&["export", "--to", "folded", "--metric", metric, "-o", "-", "a.json"]);
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        let sum: u64 = ended.stdout.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
        (sum, ended.stdout)
    };
    for (metric, key) in [("live", "live_bytes"), ("peak", "peak_bytes"), ("total", "allocated_bytes")] {
        assert_eq!(folded(metric).0, of(&summary, key), "{metric}");
    }
    let (leaked, text) = folded("leaked");
    assert!(leaked == 1000 + 1001 + 1002 + 1003 + 1004 && text.contains(";main;lose;inlined 5010\n"), "{text}");
    assert!(folded("temporary").0 >= 1000);
    work.export("csv", "a.json", "a.csv");
    let script = "import csv\nrows = list(csv.DictReader(open('a.csv', newline='')))\n\
                  print(*[sum(int(row[name]) for row in rows) for name in ('live_bytes', 'live_blocks', 'peak_bytes', 'total_bytes', 'total_blocks')])\n\
                  print(sum(int(row['live_bytes']) for row in rows if row['kind'] == 'definite'), sorted({row['site'] for row in rows}))";
    let Some(said) = work.said_by("python3", &["-c", script]) else { return };
    let keys = ["live_bytes", "live_blocks", "peak_bytes", "allocated_bytes", "allocations"];
    let numbers: Vec<String> = keys.iter().map(|key| of(&summary, key).to_string()).collect();
    assert_eq!(said.lines().next(), Some(numbers.join(" ").as_str()));
    assert_eq!(said.lines().nth(1), Some("5010 ['churn', 'deep', 'inlined', 'main', 'pairs']"));
}

#[test]
fn several_processes_are_roots_or_files_of_their_own() {
    let work = Work::new();
    let ended = work.memtrace(&["run", "-o", "two.json", "--", "sh", "-c", "./leaky; ./leaky more; true"]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let processes = read_json(&work.place.join("two.json"))["processes"].as_array().cloned().unwrap_or_default();
    let all: u64 = processes.iter().map(|process| of(&process["summary"], "live_bytes")).sum();
    let ended = work.memtrace(&["export", "--to", "folded", "-o", "-", "two.json"]);
    let sum: u64 = ended.stdout.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
    assert_eq!(sum, all);
    assert!(
        ended.stdout.lines().all(|line| line.split(';').next().is_some_and(|root| root.contains(" (pid "))),
        "{}",
        ended.stdout
    );
    let ended = work.memtrace(&["export", "--to", "massif", "-o", "m.out", "two.json"]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let files = work.place.files("m.out.");
    assert!(
        files.len() >= 2 && files.iter().all(|file| ended.stderr.contains(&format!("`{file}`"))),
        "{}: {files:?}",
        ended.stderr
    );
    for (words, found) in [
        (&["export", "--to", "dhat", "-o", "-", "two.json"][..], "`dhat` holds one process"),
        (&["export", "--to", "dhat", "--metric", "live", "-o", "x", "two.json"], "`--metric` chooses among"),
        (&["export", "--to", "dhat", "--process", "1", "-o", "x", "two.json"], "no process 1 in it"),
    ] {
        let ended = work.job(&pair().command).args(words.iter().copied()).run();
        assert!(ended.code() == Some(2) && ended.stderr.contains(found), "{}", ended.stderr);
    }
    let leaky = processes
        .iter()
        .find(|process| process["exe"].as_str().is_some_and(|exe| exe.ends_with("leaky")))
        .expect("it ran");
    let pid = leaky["pid"].to_string();
    let ended = work
        .place
        .job(How::Native, &pair().command)
        .args(["export", "--to", "dhat", "--process", &pid, "-o", "-", "two.json"])
        .run();
    assert!(ended.code() == Some(0) && ended.stdout.starts_with("{\"dhatFileVersion\":2,"), "{}", ended.stderr);
    assert!(tool_path("sh").is_some());
}

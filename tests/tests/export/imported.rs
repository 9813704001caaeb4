//! Recordings of heaptrack and DHAT as profiles: their totals are those that the tools print themselves.

use memtrace_tests::{Json, read_json, read_profile};

use crate::work::{Work, number, of, tool_path};

/// Imports a file; the profile's summary.
fn import(work: &Work, file: &str) -> Json {
    let ended = work.memtrace(&["import", file, "-o", "imported.json"]);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("memtrace: imported from "), "{}", ended.stderr);
    let ended = work.memtrace(&["report", "--sort", "total", "imported.json"]);
    assert!(
        ended.code() == Some(0) && ended.stdout.contains("lose (leaky.c:") && ended.stdout.contains("  recorded by "),
        "{}",
        ended.stdout
    );
    let schema = memtrace_tests::workspace().join("report/schema/profile-1.schema.json");
    let validator = jsonschema::validator_for(&read_json(&schema)).expect("a schema");
    let profile = read_json(&work.place.join("imported.json"));
    let wrong: Vec<String> =
        validator.iter_errors(&profile).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    profile["processes"][0]["summary"].clone()
}

#[test]
fn a_file_of_heaptracks_has_heaptracks_sums() {
    let work = Work::new();
    if tool_path("heaptrack").is_none() {
        return;
    }
    work.said_by("heaptrack", &["-o", "recorded", "./leaky"]);
    let file = work.place.files("recorded").first().cloned().expect("heaptrack wrote a file");
    let summary = import(&work, &file);
    let words = ["--disable-builtin-suppressions", "--disable-embedded-suppressions", "--flamegraph-cost-type"];
    let stacks = |cost: &str| -> u64 {
        work.said_by("heaptrack_print", &[&words[..], &[cost, "-F", "stacks.txt", &file]].concat())
            .expect("it is there");
        work.place.read("stacks.txt").lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    assert_eq!(of(&summary, "allocations"), stacks("allocations"));
    assert_eq!(of(&summary, "live_bytes"), stacks("leaked"));
    assert_eq!(of(&summary, "peak_bytes"), stacks("peak"));
    let process = &read_profile(&work.place.join("imported.json"))[0];
    let sum = |key: &str| process.sites.iter().map(|site| site.number(key)).sum::<u64>();
    assert_eq!(sum("temporary_blocks"), stacks("temporary"));
    assert_eq!(sum("at_peak_bytes"), of(&summary, "peak_bytes"));
    // And back: what heaptrack prints of the export is what it prints of its own file.
    work.export("heaptrack", "imported.json", "again.txt");
    let line = |file: &str, head: &str| {
        let said = work.said_by("heaptrack_print", &[&words[..2], &[file]].concat()).expect("it is there");
        said.lines()
            .find(|line| line.starts_with(head))
            .map(|line| line.split(" (").next().unwrap_or_default().to_owned())
    };
    for head in ["calls to allocation functions", "temporary memory allocations", "peak heap", "total memory leaked"] {
        assert_eq!(line("again.txt", head), line(&file, head));
    }
}

#[test]
fn a_file_of_dhats_has_valgrinds_sums() {
    let work = Work::new();
    let Some(said) = work.said_by("valgrind", &["--tool=dhat", "--dhat-out-file=dhat.out", "./leaky"]) else { return };
    let summary = import(&work, "dhat.out");
    let of_line = |head: &str, unit: &str| {
        let line = said.lines().find(|line| line.contains(head)).unwrap_or_else(|| panic!("{head}: {said}"));
        number(line, unit)
    };
    for (head, bytes, blocks) in
        [("Total:", "allocated_bytes", "allocations"), ("At t-end:", "live_bytes", "live_blocks")]
    {
        assert_eq!(Some(of(&summary, bytes)), of_line(head, "bytes"), "{head}");
        assert_eq!(Some(of(&summary, blocks)), of_line(head, "blocks"), "{head}");
    }
    assert_eq!(Some(of(&summary, "peak_bytes")), of_line("At t-gmax:", "bytes"));
    let process = &read_profile(&work.place.join("imported.json"))[0];
    assert!(process.sites.iter().any(|site| site.op == "calloc" && site.frames[0].function == "deep"));
}

#[test]
fn what_is_neither_is_refused_in_one_line() {
    let work = Work::new();
    for (text, found) in [
        ("", "expected a file of heaptrack, or of DHAT"),
        ("hello\n", "expected a file of heaptrack, or of DHAT"),
        ("{}", "expected a file of DHAT, version 2, or of heaptrack"),
        (r#"{"dhatFileVersion":3,"mode":"heap"}"#, "version 3 of DHAT's format, expected 2"),
        (r#"{"dhatFileVersion":2,"mode":"copy"}"#, "DHAT's mode `copy`, expected `heap`"),
        (
            r#"{"dhatFileVersion":2,"mode":"heap","cmd":"x","pid":1,"bklt":true,"pps":[{"tb":1,"tbk":1,"fs":[9]}],"ftbl":["[root]"]}"#,
            "a frame that is none of 1",
        ),
        ("v 10400 9\n", "line 1: a version of heaptrack's format"),
        ("v 10400 2\n+ 0\n", "line 2: a size that is not there"),
        ("v 10400 2\nt 1 0\n", "line 2: a trace that leads nowhere"),
        ("v 10400 2\ni 1 0\nt 1 0\na 8 1\n- 0\n", "line 5: a block goes that never came"),
        ("v 10400 2\nx app\n", "line 2: it was not interpreted yet"),
    ] {
        work.place.write("odd", text);
        let ended = work.memtrace(&["import", "odd", "-o", "x.json"]);
        assert_eq!(ended.code(), Some(2), "{text}");
        assert!(ended.stderr.contains(found) && ended.stderr.lines().count() == 1, "{text}: {}", ended.stderr);
    }
    assert!(work.place.files("x.json").is_empty());
}

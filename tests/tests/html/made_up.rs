//! Profiles of programs that never ran: of any size, with any names and any history.

use memtrace_tests::Json;

/// Parses JSON that stands here.
pub fn json(text: &str) -> Json {
    text.parse().unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A profile of one process.
pub fn profile(process: Json) -> Json {
    let mut profile = json(
        r#"{"format":"memtrace-profile","version":1,"tool":{"name":"memtrace","version":"0.1.0"},"processes_lost":0,
        "suppressions":[],"processes":[]}"#,
    );
    profile["processes"] = Json::from(vec![process]);
    profile
}

/// A process with so many sites, each with a stack of its own, about as deep and as long in its names as those of a
/// program in C++; half of them are lost. A curve for each, if it is to have a history.
pub fn process(site_count: u64, has_history: bool) -> Json {
    let mut process = json(
        r#"{"pid":4321,"ppid":1,"forked":false,"exe":"/opt/made/up","arguments":["./up","--all"],"allocator":"/lib/libc.so.6",
        "start":"2026-01-02T03:04:05.678Z","end":{"how":"exit","status":0,"signal":null},"passive":null,"settings":{},
        "warnings":[],"summary":{"allocations":0,"allocated_bytes":0,"frees":0,"freed_bytes":0,"reallocs":0,"peak_bytes":0,
        "peak_slack_bytes":0,"live_bytes":0,"live_blocks":0,"stacks":0,"failed":0,"unknown_frees":0,"fault_seen":0,
        "fault_fired":0,"fault_armed":false,"own_bytes":1048576},"losses":{},"calls":{"forks":0,"vforks":0,"execs":0,
        "spawns":0},"threads":[{"tid":4321,"name":"up","uses":1,"allocations":0,"allocated_bytes":0,"frees":0,
        "freed_bytes":0}],"modules":[{"path":"/opt/made/up","build_id":"","start":"0x1000","end":"0x9000000","bias":"0x0",
        "flags":["executable"],"unloaded":false,"names":"debug-info"}],"frames":[],"stacks":[],"sites":[],"faults":[],
        "heap_errors":[],"checks":[]}"#,
    );
    let mut random = 7u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) % below
    };
    let (mut frames, mut stacks, mut sites, mut leaks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..3_000u64 {
        let (outer, line) = (number % 40, number % 900 + 1);
        frames.push(json(&format!(
            r#"{{"kind":"native","module":0,"offset":"{:#x}","function":"project::part{outer}::Holder<std::vector<int> >::make_{number}(int, char const*)",
            "file":"/src/part{outer}/file{}.cpp","line":{line},"inlined":false}}"#,
            number * 16,
            number % 120
        )));
    }
    let (mut lost, mut live) = (0, 0);
    for site in 0..site_count {
        // Callers are shared, as they are in programs.
        let mut stack: Vec<u64> = (0..3).map(|_| next(3_000)).collect();
        stack.extend((0..12).map(|depth| depth * 40 + (site >> (2 + depth)) % 40));
        stacks.push(Json::from(stack));
        let (bytes, blocks) = (next(100_000) + 1, next(900) + 1);
        let is_lost = site % 2 == 0;
        live += bytes;
        sites.push(json(&format!(
            r#"{{"stack":{site},"thread":0,"op":"malloc","live_blocks":1,"live_bytes":{bytes},"total_blocks":{blocks},"total_bytes":{},
            "peak_blocks":2,"peak_bytes":{},"at_peak_blocks":1,"at_peak_bytes":{bytes},"temporary_blocks":{},"largest_bytes":{bytes},
            "realloc_blocks":0,"realloc_moved":0}}"#,
            bytes * blocks,
            bytes * 2,
            blocks / 3
        )));
        if is_lost {
            lost += bytes;
            leaks.push(json(&format!(
                r#"{{"stack":{site},"op":"malloc","kind":"{}","blocks":1,"bytes":{bytes},"indirect_blocks":0,"indirect_bytes":0,
                "address":"0x10","suppression":null}}"#,
                if site % 4 == 0 { "definite" } else { "possible" }
            )));
        }
    }
    let nothing = r#"{"blocks":0,"bytes":0}"#;
    let mut check = json(&format!(
        r#"{{"cause":"end","rung":"alone","hindrance":null,"flags":[],"time":"2026-01-02T03:04:06.000Z","pause_ns":0,"cpu_ns":0,
        "threads":0,"threads_stopped":0,"threads_whole":0,"root_bytes":0,"unreadable_bytes":0,"work_bytes":0,
        "summary":{{"definite":{{"blocks":1,"bytes":{lost}}},"indirect":{nothing},"possible":{nothing},"reachable":{nothing},"suppressed":{nothing}}},
        "heuristics":{{"stdstring":{nothing},"length64":{nothing},"newarray":{nothing},"multipleinheritance":{nothing}}},"leaks":[],"held":[]}}"#
    ));
    check["leaks"] = Json::from(leaks);
    process["checks"] = Json::from(vec![check]);
    for (name, list) in [("frames", frames), ("stacks", stacks), ("sites", sites)] {
        process[name] = Json::from(list);
    }
    process["summary"]["live_bytes"] = live.into();
    process["summary"]["peak_bytes"] = (live + 1).into();
    if has_history {
        process["history"] = history(site_count, &mut next);
    }
    process
}

/// Samples at even steps over ten seconds. The first site grows in the second half alone, the others as it comes.
fn history(site_count: u64, next: &mut impl FnMut(u64) -> u64) -> Json {
    const SAMPLES: u64 = 200;
    let list = |value: &mut dyn FnMut(u64) -> u64| Json::from((0..SAMPLES).map(value).collect::<Vec<u64>>());
    let mut history = json(r#"{"step_ns":50000000,"curves":[]}"#);
    history["time_ns"] = list(&mut |at| at * 50_000_000);
    for (name, times) in
        [("live_bytes", 1000), ("live_blocks", 1), ("allocations", 50), ("allocated_bytes", 5000), ("rss_bytes", 3000)]
    {
        history[name] = list(&mut |at| (at + 10) * times);
    }
    let mut curves = Vec::new();
    for site in 0..site_count {
        let mut curve = json(&format!(r#"{{"site":{site},"shape":"churn","mean_life_ns":null}}"#));
        if site == 0 {
            curve["shape"] = "grows".into();
            curve["live_bytes"] = list(&mut |at| at.saturating_sub(SAMPLES / 2) * 10_000_000);
        } else {
            let steady = next(50_000);
            curve["live_bytes"] = list(&mut |at| if at < SAMPLES / 3 { next(50_000) } else { steady });
        }
        curves.push(curve);
    }
    history["curves"] = Json::from(curves);
    history
}

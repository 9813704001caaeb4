//! What a page shows of memory beside stacks: where the RSS was, sizes and lives of blocks, threads and modules.

use memtrace_tests::Place;

use crate::browser::Browser;
use crate::{is_quiet, made_up, page_of};

const PARTS: &str = r#"[{"time_ns":2000000000,"rss_bytes":104857600,"live_bytes":20971520,"heap_bytes":26214400,
    "stack_bytes":1048576,"module_bytes":4194304,"file_bytes":0,"shared_bytes":5242880,"mapped_bytes":67108864,"own_bytes":1048576,
    "largest":[{"start":"0x7f0000000000","bytes":134217728,"resident_bytes":67108864,"path":null},
    {"start":"0x7e0000000000","bytes":5242880,"resident_bytes":5242880,"path":"/dev/shm/<b>x\u001b</b>"}]},
    {"time_ns":9000000000,"rss_bytes":10485760,"live_bytes":0,"heap_bytes":0,"stack_bytes":0,"module_bytes":10485760,
    "file_bytes":0,"shared_bytes":0,"mapped_bytes":0,"own_bytes":0,"largest":[]}]"#;

#[test]
fn where_the_memory_was_stands_in_bars_that_can_be_read_as_tables() {
    let place = Place::new();
    let Some(browser) = Browser::start(&place, 1400) else { return };
    let mut process = made_up::process(40, true);
    process["history"]["parts"] = made_up::json(PARTS);
    process["history"]["curves"][1]["mean_life_ns"] = 5_000_000.into();
    process["live_sizes"] = made_up::json(
        r#"[{"up_to_bytes":16,"blocks":3,"bytes":40,"chunk_bytes":96},{"up_to_bytes":2048,"blocks":900,"bytes":960000,"chunk_bytes":974400}]"#,
    );
    process["threads"].as_array_mut().expect("a list").push(made_up::json(
        r#"{"tid":4322,"name":"<i>worker</i>","uses":1,"allocations":0,"allocated_bytes":0,"frees":0,"freed_bytes":0}"#,
    ));
    process["sites"][0]["thread"] = 1.into();
    let made = page_of(&place, &made_up::profile(process), "up");
    browser.open(&made);
    // As a reader of screens has it: tables with names, whose rows have heads.
    let table = |name: &str| -> Vec<String> {
        let rows = format!("[...document.querySelectorAll('#memory table[aria-label=\"{name}\"] tr')]");
        let said = browser.run(&format!(
            "return {rows}.map(row => row.querySelector('th[scope=row]').textContent + ': ' + row.querySelector('td').textContent)"
        ));
        said.as_array().expect("a list").iter().map(|row| row.as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(
        table("Where the RSS was, at its highest"),
        [
            "the heap, as it was asked for: 20.0 MiB",
            "more of the allocator: rounding, and what it keeps: 5.0 MiB",
            "mappings without a file, made beside the allocator: 64.0 MiB",
            "shared memory: 5.0 MiB",
            "the program and its libraries, with their data: 4.0 MiB",
            "stacks of threads: 1.0 MiB",
            "memtrace: 1.0 MiB",
        ]
    );
    assert_eq!(table("At the last look"), ["the program and its libraries, with their data: 10.0 MiB"]);
    assert_eq!(
        table("Largest mappings beside heap, stacks and libraries"),
        ["no file, at 0x7f0000000000: 64.0 MiB of 128 MiB", "/dev/shm/<b>x\\u{1b}</b>: 5.0 MiB of 5.0 MiB"]
    );
    assert_eq!(
        table("Sizes of the blocks that live at the end"),
        ["≤ 16 B: 3 blocks, 40 bytes", "≤ 2 KiB: 900 blocks, 938 KiB"]
    );
    assert!(table("Sizes of all allocations").len() > 3);
    assert_eq!(table("How long blocks live").len(), 1);
    assert!(table("How long blocks live")[0].starts_with("≤ 10 ms: "), "{:?}", table("How long blocks live"));
    let threads = table("By thread");
    assert!(
        threads.len() == 2 && threads.iter().any(|row| row.starts_with("<i>worker</i> (tid 4322): ")),
        "{threads:?}"
    );
    let said = browser.text("#memory");
    for piece in ["100 MiB after 2.00 s", "938 KiB asked for", "(+1.5 %)"] {
        assert!(said.contains(piece), "{piece:?} is not in {said}");
    }
    // The longest bar is as wide as its cell, and none is wider.
    let widths = browser.run("return [...document.querySelectorAll('#memory .bar')].map(bar => bar.getBoundingClientRect().width / bar.parentElement.getBoundingClientRect().width)");
    let widths: Vec<f64> =
        widths.as_array().expect("a list").iter().map(|width| width.as_f64().expect("a number")).collect();
    assert!(widths.iter().all(|&width| width <= 1.001) && widths.iter().any(|&width| width > 0.99), "{widths:?}");
    is_quiet(&browser, &made);
    // Nobody watched: sizes and threads are there all the same, and what is not known is not drawn.
    let still = page_of(&place, &made_up::profile(made_up::process(3, false)), "still");
    browser.open(&still);
    let heads = browser.run("return [...document.querySelectorAll('#memory h3')].map(head => head.textContent)");
    assert_eq!(heads.to_string(), r#"["Sizes of all allocations"]"#);
    is_quiet(&browser, &still);
}

//! A page of another profiler in a browser: valgrind's own viewer opens what is exported for it.

use std::path::Path;

use memtrace_tests::{How, Place, pair};

use crate::browser::Browser;
use crate::made_up;

#[test]
fn dhats_viewer_opens_what_is_exported_for_it() {
    let viewer = Path::new("/usr/libexec/valgrind/dh_view.html");
    let place = Place::new();
    if !viewer.is_file() {
        println!("skipped: there is no {}", viewer.display());
        return;
    }
    let Some(browser) = Browser::start(&place, 1400) else { return };
    let profile = made_up::profile(made_up::process(40, true));
    place.write("up.json", &profile.to_string());
    let export = place.job(How::Native, &pair().command).args(["export", "up.json", "--to", "dhat", "-o", "dhat.out"]);
    let ended = export.run();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    browser.visit(viewer);
    // The field that its button opens a dialogue for.
    browser.keys("input[type=file], input.hidden", place.join("dhat.out").to_str().expect("a path in UTF-8"));
    browser.wait("document.body.innerText.includes('At t-end:')");
    let shown = browser.text("body");
    let sites = profile["processes"][0]["sites"].as_array().expect("a list");
    for (title, key) in [("Total:", "total_bytes"), ("At t-gmax:", "at_peak_bytes"), ("At t-end:", "live_bytes")] {
        let sum: u64 = sites.iter().filter_map(|site| site[key].as_u64()).sum();
        let line = shown.lines().find(|line| line.contains(title)).unwrap_or_default();
        let number = line.split_once(title).and_then(|(_, rest)| rest.trim().split(' ').next()).unwrap_or_default();
        assert_eq!(number.replace(',', ""), sum.to_string(), "{title} {line}");
    }
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

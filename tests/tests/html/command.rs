//! What the command takes and refuses; no browser is needed for that.

use std::fs;

use memtrace_tests::{Ended, How, Place, pair};

use crate::{made_up, page};

fn html(place: &Place, words: &[&str]) -> Ended {
    place.job(How::Native, &pair().command).arg("html").args(words.iter().copied()).run()
}

#[test]
fn a_page_is_written_whole_over_an_older_one_or_to_stdout() {
    let place = Place::new();
    let profile = made_up::profile(made_up::process(3, true));
    place.write("up.json", &profile.to_string());
    place.write("page.html", "older");
    let made = page(&place, &["up.json"], "page.html");
    let text = fs::read_to_string(&made).expect("it is text");
    assert!(text.starts_with("<!doctype html>") && text.ends_with("</html>\n"));
    let ended = html(&place, &["up.json", "-o", "-"]);
    assert_eq!((ended.code(), ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), text.as_str(), ""));
    assert_eq!(html(&place, &["up.json"]).code(), Some(0));
    assert_eq!(place.read("memtrace.html"), text);
    let report = ["report", "up.json", "--out", "html:report.html"];
    assert_eq!(place.job(How::Native, &pair().command).args(report).run().code(), Some(0));
    assert_eq!(place.read("report.html"), text, "a format of `report`, too");
}

#[test]
fn what_no_page_can_be_made_of_is_refused() {
    let place = Place::new();
    let profile = made_up::profile(made_up::process(3, false));
    place.write("up.json", &profile.to_string());
    place.write("none.json", "{}");
    place.c("app", "#include <stdlib.h>\nint main(void) { return malloc(9) == NULL; }", &["-O0"]);
    place.job(How::Native, &pair().command).args(["sweep", "-o", "a.sweep.json", "--", "./app"]).run();
    for (words, said) in [
        (&["none.json"][..], "cannot read profile `none.json`: expected format `memtrace-profile`"),
        (&["gone.json"], "cannot read `gone.json`: no such file or directory"),
        (&["a.sweep.json", "up.json"], "`a.sweep.json` is a sweep, expected a page of it alone"),
        (&["--diff", "up.json", "a.sweep.json"], "cannot read `a.sweep.json`: it is a sweep, expected a profile"),
        (&["--policy", "p.toml", "up.json"], "`--policy` is for a sweep"),
        (&[], "the following required arguments were not provided: <FILE>..."),
    ] {
        let ended = html(&place, words);
        assert_eq!(ended.code(), Some(2), "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with(&format!("memtrace: {said}")), "{words:?}: {}", ended.stderr);
    }
    assert_eq!(place.files(".html"), [] as [String; 0]);
    let ended = html(&place, &["up.json", "-o", "no/page.html"]);
    assert_eq!(ended.code(), Some(3), "{}", ended.stderr);
}

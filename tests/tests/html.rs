//! `memtrace html` in a real browser: pages answer, can be worked with, say nothing on the console, ask for nothing, and
//! take no harm from names.

#[path = "html/browser.rs"]
mod browser;
#[path = "html/command.rs"]
mod command;
#[path = "html/made_up.rs"]
mod made_up;
#[path = "html/memory.rs"]
mod memory;
#[path = "html/pages.rs"]
mod pages;
#[path = "html/paper.rs"]
mod paper;
#[path = "html/safety.rs"]
mod safety;
#[path = "html/viewers.rs"]
mod viewers;

use std::path::{Path, PathBuf};

use browser::Browser;
use memtrace_tests::{How, Json, Place, pair};

/// Makes a page with these words.
fn page(place: &Place, words: &[&str], name: &str) -> PathBuf {
    let job = place.job(How::Native, &pair().command).arg("html").args(words.iter().copied());
    let ended = job.args(["-o", name]).run();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stdout.is_empty() && ended.stderr.contains(&format!("memtrace: page {name}, ")), "{}", ended.stderr);
    place.join(name)
}

/// Makes a page of JSON that stands in memory.
fn page_of(place: &Place, json: &Json, name: &str) -> PathBuf {
    place.write(&format!("{name}.json"), &json.to_string());
    page(place, &[&format!("{name}.json")], &format!("{name}.html"))
}

/// A page asked for nothing but itself, and said nothing.
fn is_quiet(browser: &Browser, page: &Path) {
    assert_eq!(browser.complaints(), [] as [String; 0]);
    let asked: Vec<String> = browser.asked_for();
    let own = format!("file://{}", page.display());
    assert!(asked.contains(&own), "requests are seen: {asked:?}");
    let others: Vec<&String> =
        asked.iter().filter(|address| **address != own && !address.starts_with("data:")).collect();
    assert!(others.is_empty(), "{others:?}");
}

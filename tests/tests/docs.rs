//! The documentation tells the truth: each page's files are written and its commands run, in their order.

#[path = "docs/figures.rs"]
mod figures;

use memtrace_tests::document::{Document, pages};
use memtrace_tests::{Place, side_by_side, workspace};

/// `MEMTRACE_TEST_DOC=NAME` chooses one page.
#[test]
fn every_page_shows_what_its_commands_print() {
    let chosen = std::env::var("MEMTRACE_TEST_DOC").ok();
    let mut pages = pages(&workspace().join("docs"));
    let name = |path: &std::path::Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    pages.retain(|path| chosen.as_ref().is_none_or(|chosen| name(path) == *chosen));
    assert!(!pages.is_empty(), "no such page in docs/");
    memtrace_tests::pair();
    let wrong = side_by_side(&pages, |path| {
        let text = std::fs::read_to_string(path).expect("it was just listed");
        let page = match Document::parse(&text) {
            Ok(page) => page,
            Err(wrong) => return vec![format!("{}: {wrong}", name(path))],
        };
        let place = Place::new();
        let outcome = page.run(&place);
        outcome.skipped.iter().for_each(|why| println!("docs/{}: not run: {why}", name(path)));
        outcome.wrong.iter().map(|wrong| format!("docs/{}: {wrong}", name(path))).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

//! A page on paper: light whatever the screen is, unfolded, without what only a screen can do, and all of it.

use memtrace_tests::Place;

use crate::browser::Browser;
use crate::{is_quiet, made_up, page_of};

#[test]
fn paper_is_light_and_has_what_is_folded_on_the_screen_and_none_of_its_tools() {
    let place = Place::new();
    let Some(browser) = Browser::start(&place, 1400) else { return };
    let page = page_of(&place, &made_up::profile(made_up::process(40, true)), "up");
    browser.open(&page);
    // Somebody likes it dark.
    browser.click("#theme");
    browser.click("#theme");
    let paper = |browser: &Browser| browser.run("return getComputedStyle(document.documentElement).backgroundColor");
    let is_shown = |selector: &str| {
        browser.run(&format!("return document.querySelector('{selector}').getClientRects().length > 0")) == true
    };
    assert_eq!(paper(&browser), "rgb(21, 23, 26)");
    let only_on_screens = [".tools", ".table-tools", ".range-line", ".theme"];
    let everywhere = ["#title", "#leaking", ".chart", ".icicle", "#sites", "#memory"];
    assert!(only_on_screens.iter().chain(&everywhere).all(|selector| is_shown(selector)));
    browser.set_media("print");
    assert_eq!(paper(&browser), "rgb(255, 255, 255)");
    for selector in only_on_screens {
        assert!(!is_shown(selector), "{selector}");
    }
    for selector in everywhere {
        assert!(is_shown(selector), "{selector}");
    }
    // Nothing is behind a bar for scrolling.
    let cut = "[...document.querySelectorAll('.graph-frame, .table-frame')].filter(one => one.scrollHeight > one.clientHeight + 1).length";
    assert_eq!(browser.run(&format!("return {cut}")), 0);
    browser.set_media("");
    // A real print: what it saw of folded parts, which are folded again behind it.
    let folded = |browser: &Browser| browser.count("details:not([open])");
    let before = folded(&browser);
    assert!(before > 0, "settings and command are folded");
    browser.run("addEventListener('beforeprint', () => (window.unfolded = document.querySelectorAll('details:not([open])').length))");
    assert!(browser.print().starts_with("JVBERi0"), "it is a PDF");
    assert_eq!(browser.run("return window.unfolded"), 0);
    browser.wait(&format!("document.querySelectorAll('details:not([open])').length === {before}"));
    is_quiet(&browser, &page);
}

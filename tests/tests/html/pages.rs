//! What pages show, and how they are worked with.

use std::fs;

use memtrace_tests::{Ended, How, Json, Place};

use crate::browser::{Browser, DOWN, ENTER, ESCAPE, LEFT, RIGHT, TAB};
use crate::{is_quiet, made_up, page, page_of};

const LEAKY: &str = r#"
#include <stdlib.h>
#include <string.h>
struct node { struct node *next; char text[100]; } *kept;
__attribute__((noinline)) static void keep(void) { struct node *made = malloc(sizeof *made); if (!made) exit(3); made->next = kept; kept = made; }
__attribute__((noinline)) static void lose(void) { char *volatile made = malloc(4000); made = 0; (void)made; }
__attribute__((noinline)) static void churn(int size) { char *volatile made = malloc(size); free(made); }
__attribute__((noinline)) static void work(void) { for (int i = 1; i < 200; i++) churn(i); lose(); lose(); }
int main(void) { for (volatile int i = 0; i < 5; i++) keep(); work(); return 0; }
"#;

/// A profile of a program that loses 8,000 bytes, keeps 560, and churns.
fn leaky(place: &Place, name: &str) -> Ended {
    let program = place.c("leaky", LEAKY, &[]);
    let ended = place.job(How::Run, program).record();
    fs::rename(&ended.profiles[0], place.join(name)).expect("it is there");
    ended
}

#[test]
fn the_first_screen_answers_and_the_graph_and_the_table_are_worked_with() {
    let place = Place::new();
    let Some(browser) = Browser::start(&place, 1400) else { return };
    leaky(&place, "leaky.json");
    let page = page(&place, &["leaky.json"], "leaky.html");
    browser.open(&page);
    assert_eq!(browser.text("#title"), "leaky");
    let card = browser.text("#leaking");
    assert!(
        card.contains("Yes, 7.8 KiB") && card.contains("8,000 bytes in 2 blocks are lost") && card.contains("lose"),
        "{card}"
    );
    assert!(browser.text("#churn").contains("churn"), "{}", browser.text("#churn"));
    assert!(browser.text("#peak .answer").ends_with("KiB"));
    let cells = "[...document.querySelectorAll('.icicle .cell')].map(cell => cell.getAttribute('aria-label'))";
    let labels = |browser: &Browser| browser.run(&format!("return {cells}")).to_string();
    let first = labels(&browser);
    assert!(first.contains("lose (leaky.c:6): 8,000 bytes (7.8 KiB), 100 %, definitely lost"), "{first}");
    // Another metric: the graph, its legend and the order of the table follow.
    browser.click("[data-key=live].option");
    let live = labels(&browser);
    assert!(live.contains("keep") && live.contains("lose"), "{live}");
    assert!(browser.text(".legend").contains("still reachable"));
    browser.click("[data-key=count].option");
    assert_eq!(browser.text("#sites tbody tr:first-child .opener"), "churn");
    // Inverted, the function that allocates comes first.
    browser.click("[data-key=up].option");
    let inverted = browser.run(&format!("return {cells}[0]")).to_string();
    assert!(inverted.contains("churn"), "{inverted}");
    browser.click("[data-key=down].option");
    browser.click("[data-key=live].option");
    // A click zooms, and the way back is in the crumbs.
    let wide = browser.count(".icicle .cell");
    browser.click(".icicle .cell:last-child");
    assert!(browser.count(".icicle .cell") < wide);
    browser.click(".crumb");
    // From the keyboard.
    browser.run("document.querySelector('.icicle').focus()");
    // Down the trunk, to what main calls.
    browser.press(&DOWN.repeat(5));
    let told = browser.text(".told");
    browser.press(RIGHT);
    assert!(browser.count(".cell.chosen") == 1 && told != browser.text(".told"), "{told}");
    browser.press(LEFT);
    assert_eq!(told, browser.text(".told"));
    browser.press(ENTER);
    let zoomed = browser.text(".crumbs");
    browser.press(ESCAPE);
    assert_ne!(zoomed, browser.text(".crumbs"));
    // The outline says the same as a table.
    browser.click(".toggle:nth-of-type(2) input");
    assert!(browser.text(".outline").contains("keep"), "{}", browser.text(".outline"));
    browser.click(".toggle:nth-of-type(2) input");
    // A row opens to its stack and to what holds its blocks.
    browser.click("[data-key=live]:not(.option)");
    browser.keys("#search", "keep");
    browser.wait("document.querySelectorAll('#sites tbody tr').length === 1");
    assert!(
        browser.text(".told").contains("560 bytes") || browser.text(".told").contains("pass through"),
        "{}",
        browser.text(".told")
    );
    assert!(browser.count(".cell.found") > 0 && browser.count(".cell.dim") > 0);
    browser.click("#sites .opener");
    let details = browser.text("tr.detail-row");
    assert!(details.contains("global `kept` in leaky") && details.contains("keep leaky.c:5"), "{details}");
    assert!(details.contains("560 bytes in 5 blocks"), "{details}");
    // `/` leads to the search, Esc out of it.
    browser.press(ESCAPE);
    browser.run("document.activeElement.blur()");
    browser.press("/");
    assert_eq!(browser.run("return document.activeElement.id"), "search");
    browser.press("lose");
    browser.wait("document.querySelector('#sites .opener')?.textContent === 'lose'");
    browser.press(ESCAPE);
    browser.wait("document.querySelectorAll('#sites tbody tr').length > 2");
    // Sources are there only where they were asked for.
    assert!(!fs::read_to_string(&page).unwrap().contains("noinline") && browser.count(".excerpt") == 0);
    is_quiet(&browser, &page);
    let sources = crate::page(&place, &["leaky.json", "--sources"], "sources.html");
    browser.open(&sources);
    browser.click("#sites .opener");
    assert!(browser.text(".excerpt").contains("static void lose(void)"), "{}", browser.text(".excerpt"));
    is_quiet(&browser, &sources);
}

#[test]
fn light_and_dark_follow_the_system_and_the_switch_and_everything_has_a_name() {
    let place = Place::new();
    let Some(browser) = Browser::start(&place, 1400) else { return };
    let page = page_of(&place, &made_up::profile(made_up::process(40, true)), "up");
    browser.set_dark(false);
    browser.open(&page);
    let paper = |browser: &Browser| browser.run("return getComputedStyle(document.documentElement).backgroundColor");
    assert_eq!(paper(&browser), "rgb(255, 255, 255)");
    browser.set_dark(true);
    let dark = paper(&browser);
    assert_eq!(dark, "rgb(21, 23, 26)");
    browser.click("#theme");
    assert_eq!((paper(&browser), browser.text("#theme").as_str()), (Json::from("rgb(255, 255, 255)"), "Light"));
    browser.set_dark(false);
    browser.click("#theme");
    assert_eq!(paper(&browser), dark);
    // Whatever can have the focus says what it is.
    let nameless = browser.run(
        "return [...document.querySelectorAll('button, input, select, summary, [tabindex]')].filter(one =>
            !(one.textContent.trim() || one.getAttribute('aria-label') || one.closest('label')?.textContent.trim() || one.labels?.length))
            .map(one => one.outerHTML.slice(0, 200))",
    );
    assert_eq!(nameless.to_string(), "[]");
    let images = browser.run(
        "return [...document.querySelectorAll('[role=img]')].filter(one => !one.getAttribute('aria-label')).length",
    );
    assert_eq!(images, 0);
    // The keyboard comes by the metrics, the search, the graph and the rows, in this order.
    browser.run("window.seen = []; addEventListener('focusin', event => seen.push(event.target.id || event.target.getAttribute('class') || event.target.tagName))");
    browser.press(&TAB.repeat(50));
    let seen = browser.run("return window.seen").to_string();
    let places: Vec<Option<usize>> =
        ["option", "search", "icicle", "opener"].iter().map(|word| seen.find(word)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} {seen}");
    // On a narrow screen nothing stands beside the page.
    let narrow = Browser::start(&place, 500).expect("there is one");
    narrow.open(&page);
    let over = narrow.run("return document.documentElement.scrollWidth - innerWidth").as_i64();
    assert!(over <= Some(0), "{over:?} pixels stand out");
    is_quiet(&browser, &page);
}

#[test]
fn a_range_of_the_time_chart_filters_the_rows() {
    let place = Place::new();
    let Some(browser) = Browser::start(&place, 1400) else { return };
    let mut process = made_up::process(40, true);
    process["regions"] = made_up::json(
        r#"[{"name":"<b>load</b>","begin_ns":1000000000,"end_ns":2000000000,"thread":0},
        {"name":"<b>load</b>","begin_ns":4000000000,"end_ns":null,"thread":null},
        {"name":"warm","begin_ns":0,"end_ns":500000000,"thread":0},{"name":"warm","begin_ns":500000001,"end_ns":900000000,"thread":0}]"#,
    );
    let page = page_of(&place, &made_up::profile(process), "up");
    browser.open(&page);
    // A lane for each name of a region, and times that meet are one.
    let lanes = browser.run(
        "return [...document.querySelectorAll('.chart .region')].map(one => [one.querySelector('title').textContent, Math.round(one.getBoundingClientRect().width)])",
    );
    assert_eq!(lanes[0][0], "in region <b>load</b> from 1.00 s to 2.00 s", "{lanes}");
    assert_eq!(lanes[1][0], "in region <b>load</b> from 4.00 s to 9.95 s", "{lanes}");
    assert_eq!(
        (lanes[2][0].as_str(), lanes.as_array().map(Vec::len)),
        (Some("in region warm from 0 µs to 900 ms"), Some(3))
    );
    assert!(lanes[1][1].as_u64() > lanes[0][1].as_u64().map(|width| width * 5), "{lanes}");
    assert!(browser.text("#growing .answer").contains("1 stack"), "{}", browser.text("#growing"));
    assert!(
        browser.count(".chart .heap") == 1 && browser.count(".chart .rss") == 1 && browser.count("#sites .spark") == 40
    );
    // In the last third only the one that grows changes.
    browser.drag(".chart", [0.72, 0.9]);
    browser.wait("document.querySelectorAll('#sites tbody tr').length === 1");
    let growth = browser.text("#sites tbody td.chosen");
    assert!(growth.starts_with('+'), "{growth}");
    assert!(browser.text(".range-line").contains("The heap changed by"), "{}", browser.text(".range-line"));
    browser.click(".range button");
    browser.wait("document.querySelectorAll('#sites tbody tr').length === 40");
    // The same by numbers.
    browser.run("const [from, to] = document.querySelectorAll('.range input'); from.value = 7; to.value = 9; to.dispatchEvent(new Event('change'))");
    browser.wait("document.querySelectorAll('#sites tbody tr').length === 1");
    is_quiet(&browser, &page);
}

#[test]
fn two_thousand_sites_are_below_300_kb_and_open_in_a_second() {
    let place = Place::new();
    let Some(browser) = Browser::start(&place, 1400) else { return };
    let page = page_of(&place, &made_up::profile(made_up::process(2_500, true)), "large");
    let bytes = fs::metadata(&page).expect("it is there").len();
    assert!(bytes < 300_000, "{bytes}");
    // On a busy machine clocks say more of others than of the page; what it takes of a processor is its own.
    let [drawn, again] = [browser.open(&page), browser.open(&page)];
    let [all, script, layout] = browser.cost_of(&page);
    println!(
        "2,000 sites with curves: {bytes} bytes, drawn after {drawn} ms and {again} ms; of a processor {all:.3} s, \
         {script:.3} of it the script, {layout:.3} layout and style"
    );
    assert!(all > script && script > 0.0 && all < 1.0, "{all} s, {script} of it the script");
    assert!(browser.text("#rows").contains("500 lighter stacks not on this page"), "{}", browser.text("#rows"));
    assert!(browser.text("#rows .table-foot").contains("50 of 2,000 rows"));
    browser.click(".more");
    assert_eq!(browser.count("#sites tbody tr"), 200);
    is_quiet(&browser, &page);
    // Without end where that is asked for.
    let all = crate::page(&place, &["large.json", "--top", "0"], "all.html");
    browser.open(&all);
    assert!(browser.text("#rows .table-foot").contains("50 of 2,500 rows"));
}

#[test]
fn a_difference_is_signed_and_sorted_by_change() {
    let place = Place::new();
    let Some(browser) = Browser::start(&place, 1400) else { return };
    let program = place.c("app", &LEAKY.replace("i < 5;", "i < MORE;"), &["-DMORE=5"]);
    let record = |name: &str| {
        let ended = place.job(How::Run, &program).record();
        fs::rename(&ended.profiles[0], place.join(name)).expect("it is there");
    };
    record("before.json");
    place.c("app", &LEAKY.replace("i < 5;", "i < MORE;").replace("lose(); lose();", "lose();"), &["-DMORE=9"]);
    record("after.json");
    let page = page(&place, &["--diff", "before.json", "after.json"], "diff.html");
    browser.open(&page);
    let changed = browser.text("#changed");
    assert!(changed.contains("\u{2212}3.9 KiB") && changed.contains("7.8 KiB, then 3.9 KiB lost"), "{changed}");
    browser.click("[data-key=live].option");
    let lines = browser.run(
        "return [...document.querySelectorAll('#places tbody tr')].map(line => line.innerText.replace(/\\s+/g, ' '))",
    );
    assert_eq!(lines.as_array().map(Vec::len), Some(2), "{lines}");
    assert!(lines[0].as_str().is_some_and(|line| line.starts_with("keep app +448 +4 560 1,008")), "{lines}");
    assert!(
        lines[1].as_str().is_some_and(|line| line.starts_with("lose app \u{2212}4,000 \u{2212}1 8,000 4,000")),
        "{lines}"
    );
    assert!(browser.count(".cell rect.grew") > 0 && browser.count(".cell rect.shrank") > 0);
    is_quiet(&browser, &page);
    // The same as a format of `diff`.
    let words = ["diff", "before.json", "after.json", "--by", "live", "--out", "html:by.html"];
    let ended = place.job(How::Native, &memtrace_tests::pair().command).args(words).run();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    browser.open(&place.join("by.html"));
    assert_eq!(browser.text("[aria-pressed=true].option"), "Live");
}

#[test]
fn a_sweep_is_a_matrix_of_outcomes_with_what_repeats_them() {
    let place = Place::new();
    let Some(browser) = Browser::start(&place, 1400) else { return };
    place.c("leaks", LEAKY, &[]);
    let words = ["sweep", "-o", "leaks.sweep.json", "--out", "html:direct.html", "--", "./leaks"];
    let ended = place.job(How::Native, &memtrace_tests::pair().command).args(words).run();
    assert!(place.join("leaks.sweep.json").exists(), "{}{}", ended.stdout, ended.stderr);
    let page = page(&place, &["leaks.sweep.json"], "sweep.html");
    assert_eq!(fs::read(&page).unwrap(), fs::read(place.join("direct.html")).unwrap(), "both ways give one page");
    browser.open(&page);
    let heads = browser.run("return [...document.querySelectorAll('.matrix thead th')].map(head => head.innerText)");
    assert_eq!(heads.to_string(), r#"["Call path","Once","For ever","In a pair"]"#);
    let row = browser.run("return [...document.querySelectorAll('.matrix tbody tr')].map(row => row.innerText).find(row => row.startsWith('keep'))");
    assert!(row.as_str().is_some_and(|row| row.contains("error-without-message")), "{row}");
    browser.keys("#search", "keep");
    browser.wait("document.querySelectorAll('.matrix tbody tr').length === 1");
    browser.click(".matrix .outcome");
    let details = browser.text("tr.detail-row");
    assert!(details.contains("memtrace repro ") && details.contains("fails for ever"), "{details}");
    browser.click("tr.detail-row .run .plain");
    assert!(browser.text("#findings details[open]").contains("MALLOC_FAIL_STACK="));
    is_quiet(&browser, &page);
}

#[test]
fn a_check_writes_a_page_with_its_verdict_above() {
    let place = Place::new();
    let Some(browser) = Browser::start(&place, 1400) else { return };
    place.c(
        "leaky",
        &LEAKY
            .replace("work(); return", "work(); usleep(300000); return")
            .replace("#include <string.h>", "#include <unistd.h>"),
        &[],
    );
    let words = ["check", "--out", "html:check.html", "--", "./leaky"];
    let ended = place.job(How::Native, &memtrace_tests::pair().command).args(words).run();
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    browser.open(&place.join("check.html"));
    let verdict = browser.text(".verdict");
    assert!(verdict.contains("8,000 bytes") && verdict.contains("lose"), "{verdict}");
    browser.click("[data-key=live].option");
    assert!(browser.text("#sites").contains("keep"), "what is held has its names, too");
    assert!(
        browser.count(".chart .rss") == 1 && browser.text("#memory").contains("Where the RSS was"),
        "it was looked at"
    );
}

#[test]
fn pages_of_real_programs_are_quiet() {
    let place = Place::new();
    let Some(browser) = Browser::start(&place, 1400) else { return };
    let script = "import json; json.loads(json.dumps([{'a': i} for i in range(3000)]))";
    let statement = "create table t(a); insert into t values (1), (2); select count(*) from t;";
    for (program, words) in [
        ("/usr/bin/python3", vec!["-c", script]),
        ("/usr/bin/sqlite3", vec![":memory:", statement]),
        ("/usr/bin/git", vec!["--exec-path"]),
    ] {
        if !std::path::Path::new(program).exists() {
            println!("skipped: there is no {program}");
            continue;
        }
        let ended = place.job(How::Run, program).args(words).record();
        let name = ended.profiles[0].file_name().unwrap().to_string_lossy().into_owned();
        let made = page(&place, &[&name], "real.html");
        browser.open(&made);
        assert!(!browser.text("#leaking .answer").is_empty() && browser.count("#sites tbody tr") > 5, "{program}");
        assert!(program != "/usr/bin/python3" || browser.text(".banner").contains("PYTHONMALLOC=malloc"));
        browser.click("[data-key=total].option");
        browser.click("[data-key=up].option");
        browser.click(".toggle input");
        is_quiet(&browser, &made);
    }
}

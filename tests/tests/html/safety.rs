//! Names that would be markup, scripts or commands anywhere else are texts on a page.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use memtrace_tests::{How, Json, PATIENCE, Place, pair};

use crate::browser::Browser;
use crate::{is_quiet, made_up, page, page_of};

/// Each does something where it is taken for more than a text.
const HOSTILE: [&str; 7] = [
    "</script><script>window.harmed = 1</script>",
    "<img src=x onerror='window.harmed = 2'>",
    "\"><svg onload=window.harmed=3>",
    "<!--<script>",
    "a\u{202e}b\u{2028}c\u{0}d\u{1b}[2Je",
    "javascript:window.harmed=4",
    "${window.harmed = 5}{{constructor.constructor('window.harmed=6')()}}",
];

/// Puts hostile texts wherever a value has one that somebody outside chose.
fn harm(value: &mut Json, count: &mut usize) {
    const CHOSEN: [&str; 26] = [
        "function",
        "file",
        "path",
        "name",
        "exe",
        "arguments",
        "allocator",
        "command",
        "program",
        "directory",
        "title",
        "message",
        "left",
        "notes",
        "caller",
        "module",
        "symbol",
        "varies",
        "memtrace",
        "gdb",
        "plain",
        "reason",
        "type",
        "setting",
        "found",
        "expected",
    ];
    let hostile = |count: &mut usize| {
        *count += 1;
        Json::from(format!("{}{count}", HOSTILE[*count % HOSTILE.len()]))
    };
    match value {
        Json::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Json::String(_) if CHOSEN.contains(&name.as_str()) => *value = hostile(count),
                    Json::Array(list) if CHOSEN.contains(&name.as_str()) => {
                        list.iter_mut().filter(|one| one.is_string()).for_each(|one| *one = hostile(count));
                    }
                    other => harm(other, count),
                }
            }
        }
        Json::Array(list) => list.iter_mut().for_each(|one| harm(one, count)),
        _ => {}
    }
}

/// Clicks on whatever there is, and looks for harm.
fn work_through(browser: &Browser, has_whole_names: bool) {
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)");
    browser.run("[...document.querySelectorAll('button.opener')].slice(0, 5).forEach((_, at) => document.querySelectorAll('button.opener')[at].click())");
    for selector in ["[data-key=live].option", "[data-key=up].option"] {
        if browser.count(selector) > 0 {
            browser.click(selector);
        }
    }
    browser.run(
        "document.querySelector('.icicle .cell')?.dispatchEvent(new MouseEvent('pointermove', { bubbles: true }))",
    );
    assert_eq!(browser.run("return window.harmed ?? null"), Json::Null);
    assert_eq!(browser.count("script"), 2, "the page's own");
    assert_eq!(browser.count("img, iframe, object, embed, link, a[href], form"), 0);
    let shown = browser.run("return document.body.innerText + document.title").to_string();
    assert!(
        !has_whole_names
            || shown.contains("window.harmed = 1</script>")
                && shown.contains("\\\\u{202e}b\\\\u{2028}c\\\\u{0}d\\\\u{1b}[2J"),
        "{shown}"
    );
}

#[test]
fn hostile_names_are_texts_in_runs_differences_and_sweeps() {
    let place = Place::new();
    let Some(browser) = Browser::start(&place, 1400) else { return };
    let mut profile = made_up::profile(made_up::process(30, true));
    profile["processes"][0]["markers"] = made_up::json(r#"[{"name":"x","time_ns":2000000000,"thread":null}]"#);
    profile["processes"][0]["warnings"] = made_up::json(r#"[{"setting":"x","found":"x","expected":"x"}]"#);
    profile["processes"][0]["settings"] =
        made_up::json(r#"{"MEMTRACE_<script>":"</script><script>window.harmed = 7</script>"}"#);
    profile["processes"][0]["passive"] = Json::Null;
    harm(&mut profile, &mut 0);
    let run = page_of(&place, &profile, "run");
    browser.open(&run);
    work_through(&browser, true);
    is_quiet(&browser, &run);
    // Another that differs, for the table of differences.
    let mut other = profile.clone();
    for site in other["processes"][0]["sites"].as_array_mut().expect("a list") {
        site["live_bytes"] = (site["live_bytes"].as_u64().expect("a number") * 2).into();
    }
    place.write("other.json", &other.to_string());
    let change = page(&place, &["--diff", "run.json", "other.json"], "change.html");
    browser.open(&change);
    // Trails have names without what stands in angle brackets.
    work_through(&browser, false);
    is_quiet(&browser, &change);
    place.c("app", "#include <stdlib.h>\nint main(void) { char *p = malloc(9); *p = 1; free(p); return 0; }", &["-O0"]);
    let ended = place.job(How::Native, &pair().command).args(["sweep", "-o", "app.sweep.json", "--", "./app"]).run();
    let mut sweep: Json =
        place.read("app.sweep.json").parse().unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    sweep["notes"] = made_up::json(r#"["x"]"#);
    harm(&mut sweep, &mut 0);
    for finding in sweep["findings"].as_array_mut().expect("a list") {
        finding["message"] = HOSTILE.join("\n").into();
    }
    let matrix = page_of(&place, &sweep, "matrix");
    browser.open(&matrix);
    work_through(&browser, true);
    is_quiet(&browser, &matrix);
}

#[test]
fn the_policy_lets_no_other_script_run() {
    let place = Place::new();
    let Some(browser) = Browser::start(&place, 1400) else { return };
    let page = page_of(&place, &made_up::profile(made_up::process(3, false)), "up");
    browser.open(&page);
    is_quiet(&browser, &page);
    let tried = browser.run(
        "const script = document.createElement('script');
        try { script.textContent = 'window.harmed = 1'; } catch (error) { return error.name; }
        document.body.append(script); return 'let in'",
    );
    assert_eq!(tried, "TypeError", "a text is no trusted script");
    let tried = browser
        .run("try { document.body.innerHTML = '<b>x</b>'; return 'let in' } catch (error) { return error.name }");
    assert_eq!(tried, "TypeError");
    // Somebody who listens hears nothing.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it is ours");
    let address = listener.local_addr().expect("it has one");
    browser.run(&format!("const image = new Image(); image.src = 'http://{address}/x'; document.body.append(image)"));
    browser.run(&format!("fetch('http://{address}/y').catch(() => 0); location.hash = 'x'"));
    std::thread::sleep(Duration::from_millis(300));
    assert!(listener.accept().is_err(), "nothing left");
    assert_eq!(browser.run("return window.harmed ?? null"), Json::Null);
    let complaints = browser.complaints().join("\n");
    assert!(complaints.contains("Content Security Policy"), "{complaints}");
    // A page without a policy is heard, so the silence says something.
    let open = format!("<html data-ready='0'><script>fetch('http://{address}/x')</script></html>");
    browser.open(&place.write("open.html", &open));
    let until = Instant::now() + PATIENCE;
    while listener.accept().is_err() {
        assert!(Instant::now() < until, "it is not heard");
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! Pages of files that were damaged, and what a page as a whole is.

use super::*;
use crate::check::tests::leaky;
use crate::json;
use crate::profile::Process;
use crate::profile::history::{Curve, History};
use crate::profile::parts::{Mapping, Parts};
use crate::sweep::sample;

/// A process with something of everything that a page shows.
fn full() -> Process {
    let mut process = leaky(7, "/b/app");
    process.history = Some(History {
        step_ns: 10,
        time_ns: vec![0, 10, 20],
        live_bytes: vec![1, 2, 3],
        live_blocks: vec![1, 1, 1],
        allocations: vec![1, 2, 3],
        allocated_bytes: vec![1, 2, 3],
        rss_bytes: vec![4, 5, 6],
        curves: Vec::new(),
        parts: vec![Parts {
            rss_bytes: 9,
            live_bytes: 5,
            heap_bytes: 7,
            largest: vec![Mapping::default()],
            ..Parts::default()
        }],
        ..History::default()
    });
    let site = crate::profile::Site { op: "malloc".into(), total_blocks: 2, live_bytes: 1632, ..Default::default() };
    process.sites.push(site);
    if let Some(history) = &mut process.history {
        history.curves.push(Curve { site: 0, live_bytes: vec![0, 9, 9], shape: "plateau".into(), mean_life_ns: None });
    }
    process
}

fn profile() -> Profile {
    Profile { processes: vec![full()], ..Profile::without_processes() }
}

fn written(subject: &Subject) -> String {
    let mut page = Vec::new();
    write(subject, &Request::default(), &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

#[test]
fn equal_runs_give_equal_pages_with_nothing_of_the_target_in_the_markup() {
    let page = written(&Subject::Run(&profile(), &[]));
    assert_eq!(page, written(&Subject::Run(&profile(), &[])));
    for name in ["plant", "water", "libgarden", "plateau"] {
        assert!(!page.contains(name), "{name}");
    }
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    let policy = "content=\"default-src 'none'; script-src 'sha256-";
    assert!(page.contains(policy), "{}", &page[..600]);
}

#[test]
fn damaged_profiles_give_pages_or_errors() {
    let mut bytes = Vec::new();
    profile().write_json(&mut bytes).unwrap();
    let mut count = 0;
    for place in 0..bytes.len() {
        for mask in [1, 16] {
            bytes[place] ^= mask;
            if let Ok(profile) = Profile::from_json(&bytes, "x") {
                count += 1;
                let request = Request { has_sources: true, ..Request::default() };
                json::write(&data(&Subject::Run(&profile, &[]), &request), std::io::sink()).unwrap();
                let files = ["a".to_owned(), "b".to_owned()];
                let change = Subject::Change([&profile, &self::profile()], files, None);
                json::write(&data(&change, &request), std::io::sink()).unwrap();
            }
            bytes[place] ^= mask;
        }
    }
    assert!(count > 500, "{count} of {} still are profiles", bytes.len());
}

#[test]
fn damaged_sweeps_give_pages_or_errors() {
    let mut bytes = Vec::new();
    crate::sweep::file::write(&sample::sweep(), &mut bytes).unwrap();
    let mut count = 0;
    for place in 0..bytes.len() {
        bytes[place] ^= 1;
        let read =
            json::Head::of(&bytes, "x", "sweep").and_then(|head| crate::sweep::file::read_behind(&head, &bytes, "x"));
        if let Ok(sweep) = read {
            count += 1;
            json::write(&data(&Subject::Sweep(&sweep), &Request::default()), std::io::sink()).unwrap();
        }
        bytes[place] ^= 1;
    }
    assert!(count > 500, "{count} of {} still are sweeps", bytes.len());
}

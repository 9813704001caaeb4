//! A small report for tests: an error with all that a finding can have, a warning, and one that is accepted.

use std::io;

use super::model::{Case, Item, Level, Location, Report, Rule, Step};
use crate::text::Call;

/// What a writer makes of a report.
pub fn written(write: fn(&Report, &mut dyn io::Write) -> io::Result<()>, report: &Report) -> String {
    let mut text = Vec::new();
    write(report, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// A finding without places.
pub fn item(rule: &'static str, level: Level) -> Item<'static> {
    Item {
        rule,
        level,
        title: format!("{rule} in read"),
        message: String::new(),
        detail: format!("{rule} in read\n  all of it\n"),
        location: None,
        flow: Vec::new(),
        related: Vec::new(),
        fingerprint: "0000000000f2".into(),
        accepted: None,
    }
}

/// The report.
pub fn report() -> Report<'static> {
    let read = Call { function: Some("read_all"), file: Some("/src/app/io.c"), line: Some(12), ..Call::default() };
    let libc = Call { module: Some("/lib/libc.so.6"), offset: 0x27249, ..Call::default() };
    let system = Call { function: Some("qsort"), file: Some("/usr/src/a b.c"), ..Call::default() };
    let step = |message: &str, frames: &[Call<'static>]| Step { message: message.into(), frames: frames.to_vec() };
    let bad = Item {
        title: "bad in parse".into(),
        message: "first\nsecond\n".into(),
        location: Some(Location { path: "io.c".into(), is_own: true, line: Some(12) }),
        flow: vec![step("malloc fails", &[read, libc]), step("SIGSEGV", &[system, read])],
        related: vec![step("thread 2", &[libc])],
        fingerprint: "0000000000f1".into(),
        ..item("bad", Level::Error)
    };
    let accepted = Item { accepted: Some("known: waits".into()), ..item("bad", Level::Error) };
    let rule = |id, level| Rule { id, text: "something is wrong", level };
    let case = |name: &str, items: &[usize], skipped| Case {
        group: "app".into(),
        name: name.into(),
        items: items.to_vec(),
        skipped,
        failure: None,
    };
    Report {
        suite: "./app 'data file'".into(),
        summary: "2 findings".into(),
        root: "/src/app".into(),
        rules: vec![rule("bad", Level::Error), rule("poor", Level::Warning)],
        items: vec![bad, item("poor", Level::Warning), accepted],
        cases: vec![
            case("read_all 01", &[0, 1], None),
            case("copy 02", &[2], None),
            case("main 03", &[1], None),
            case("main 04", &[], None),
            case("main 05", &[], Some("the time was up")),
        ],
        notes: vec!["stderr varies".into()],
    }
}

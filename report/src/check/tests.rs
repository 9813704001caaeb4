//! A check from processes to every report.

use std::path::PathBuf;

use memtrace_wire::leaks::Kinds;

use super::findings::Reach;
use super::model::{Outcome, Word};
use super::policy::{Policy, Said};
use super::seen::Seen;
use super::*;
use crate::formats::model::Level;
use crate::formats::{annotations, gitlab, junit, markdown, sarif, tap};
use crate::profile::leaks::{Check, Kind, Sum, Sums};
use crate::profile::sample::{self, leak};
use crate::text::Style;

/// A process that lost 1,600 bytes in two blocks, which lead to 32 others, and possibly 20.
pub fn leaky(pid: u32, exe: &str) -> Process {
    let mut process = sample::process(|maker| {
        let plant = maker.stack(&["xmalloc", "plant<int>(a&)", "main", "_start"]);
        let water = maker.stack(&["\u{1b}]0;water\n]]>", "main", "_start"]);
        let two = Sum { blocks: 2, bytes: 32 };
        let leaks = vec![
            leak(plant, Kind::Definite, 2, 1600, two),
            leak(water, Kind::Possible, 1, 20, Sum::default()),
            leak(plant, Kind::Indirect, 2, 32, Sum::default()),
        ];
        let summary = Sums {
            definite: Sum { blocks: 2, bytes: 1600 },
            indirect: two,
            possible: Sum { blocks: 1, bytes: 20 },
            ..Sums::default()
        };
        let check = Check { cause: "end".into(), rung: "alone".into(), leaks, summary, ..Check::default() };
        maker.process().checks.push(check);
        maker.process().summary.live_blocks = 5;
    });
    process.modules[0].path = "/b/libgarden.so".into();
    (process.pid, process.exe) = (pid, exe.into());
    process
}

/// What a check of these processes comes to.
pub fn judged(processes: Vec<Process>, flags: Said) -> Outcome {
    let policy = Policy::of(Some("/dev/null".into()), flags).unwrap();
    let profile = Profile { processes, ..Profile::without_processes() };
    let profiles = [PathBuf::from("a b.json")];
    let what = gather::What { profiles: &profiles, ..Default::default() };
    let gathered = Gathered { profile, target: None, living: Default::default(), refused: None, trouble: None };
    outcome(&gathered, &policy, &what, false).unwrap()
}

#[test]
fn a_place_is_one_finding_with_all_its_processes() {
    let outcome = judged(vec![leaky(7, "/b/app"), leaky(8, "/b/app"), leaky(9, "/b/tool")], Said::default());
    assert_eq!(outcome.verdict.word, Word::Broken);
    let [plant, water] = outcome.findings.as_slice() else { panic!("{:#?}", outcome.findings) };
    assert_eq!((plant.blocks, plant.bytes, plant.indirect_blocks, plant.indirect_bytes), (6, 4800, 6, 96));
    let title = "4,896 bytes (4.8 KiB) (4,800 direct, 96 indirect) in 6 blocks are definitely lost, allocated in plant<int>(a&)";
    assert_eq!(plant.title, title);
    assert_eq!(plant.trail, ["plant (libgarden.so)", "main (libgarden.so)"]);
    let had: Vec<(u32, u64)> = plant.processes.iter().map(|had| (had.pid, had.bytes)).collect();
    assert_eq!(had, [(7, 1632), (8, 1632), (9, 1632)]);
    assert_eq!(water.rule, model::Rule::PossiblyLost);
    let programs: Vec<(&str, u64, usize)> =
        outcome.programs.iter().map(|program| (program.exe.as_str(), program.images, program.findings.len())).collect();
    assert_eq!(programs, [("/b/app", 2, 2), ("/b/tool", 1, 2)]);
}

#[test]
fn the_kinds_of_the_policy_are_those_that_break_it() {
    let kinds = |words: &[u8]| Said { kinds: Kinds::parse(words), ..Said::default() };
    assert_eq!(judged(vec![leaky(7, "/b/app")], kinds(b"possible")).findings.len(), 1);
    // An indirectly lost block of its own is counted with what leads to it otherwise.
    let indirect = judged(vec![leaky(7, "/b/app")], kinds(b"indirect"));
    assert_eq!((indirect.findings[0].rule, indirect.findings[0].bytes), (model::Rule::IndirectlyLost, 32));
    assert_eq!(judged(vec![leaky(7, "/b/app")], kinds(b"reachable")).verdict.word, Word::Clean);
}

#[test]
fn processes_that_nobody_judged_are_no_clean_check() {
    assert_eq!(judged(vec![], Said::default()).verdict.word, Word::NoData);
    let mut unclassified = leaky(7, "/b/app");
    unclassified.checks[0].rung = "none".into();
    unclassified.checks[0].hindrance = Some("deadline".into());
    let outcome = judged(vec![unclassified.clone()], Said::default());
    assert_eq!(outcome.verdict.word, Word::NoData);
    assert_eq!(outcome.verdict.reasons, ["app (pid 7): not classified: the deadline passed"]);
    // Beside another it is said.
    let mut clean = sample::process(|_| {});
    clean.exe = "/b/tool".into();
    let outcome = judged(vec![unclassified.clone(), clean.clone()], Said::default());
    assert_eq!(outcome.verdict.word, Word::Clean);
    assert_eq!(outcome.notes, ["not judged: app (pid 7): not classified: the deadline passed"]);
    let outcome = judged(vec![unclassified, clean], Said { is_strict: true, ..Said::default() });
    assert_eq!((outcome.verdict.word, outcome.verdict.exit_code), (Word::NoData, Some(2)));
}

#[test]
fn processes_of_memtrace_itself_are_left_out() {
    let mut own = leaky(7, "/opt/memtrace/memtrace");
    own.modules[0].flags.push("memtrace".into());
    own.modules[0].path = "/opt/memtrace/libmemtrace.so".into();
    assert_eq!(judged(vec![own.clone()], Said::default()).processes.of_memtrace, 1);
    // A program of that name, elsewhere.
    own.exe = "/b/memtrace".into();
    assert_eq!(judged(vec![own], Said::default()).processes.of_memtrace, 0);
}

#[test]
fn the_object_is_as_the_schema_says() {
    let schema = include_str!("../../schema/check-1.schema.json").parse().unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut killed = leaky(9, "/b/app");
    killed.checks.clear();
    killed.end.how = "exec".into();
    for processes in [vec![], vec![leaky(7, "/b/app"), killed]] {
        let flags = Said { site: policy::Budget { peak: Some(0), ..Default::default() }, ..Said::default() };
        let mut outcome = judged(processes, flags);
        outcome.fixed.push(model::Fixed { fingerprint: "0".repeat(16), trail: vec!["a".into()], bytes: 5 });
        let mut bytes = Vec::new();
        crate::json::write(&outcome, &mut bytes).unwrap();
        let json = String::from_utf8(bytes).unwrap().parse().unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&json).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

#[test]
fn each_line_of_json_is_an_object_and_the_verdict_comes_last() {
    let mut text = Vec::new();
    lines::write(&judged(vec![leaky(7, "/b/app")], Said::default()), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let keys: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("{\"")?.split('"').next()).collect();
    assert_eq!(keys, ["check", "program", "finding", "finding", "verdict"]);
    assert!(text.lines().last().unwrap().contains("\"word\":\"broken\""));
}

#[test]
fn a_check_is_a_report_with_a_case_for_each_program() {
    let flags = || Said { total: policy::Budget { blocks: Some(1), ..Default::default() }, ..Said::default() };
    let outcome = judged(vec![leaky(7, "/b/app")], flags());
    let report = items::report(&outcome, "/src".into());
    assert_eq!(report.suite, "'a b.json'");
    let cases: Vec<(&str, usize)> = report.cases.iter().map(|case| (case.name.as_str(), case.items.len())).collect();
    assert_eq!(cases, [("app", 2), ("leaked in all", 1), ("everything was there to be judged", 0)]);
    assert!(report.items.iter().all(|item| item.level == Level::Error && item.fingerprint.len() == 16));
    let place = report.items.iter().find(|item| item.title.contains("plant")).and_then(|item| item.location.clone());
    assert_eq!(place.map(|place| (place.path, place.line)), Some(("plant<int>(a&).c".into(), Some(7))));
    let nothing = judged(vec![], Said::default());
    let failure = items::report(&nothing, "/src".into()).cases[0].failure.clone();
    assert_eq!(failure.as_deref(), Some("nothing can be said: no process was recorded"));
}

#[test]
fn no_text_of_a_target_steers_the_reader() {
    let mut process = leaky(7, "/b/\u{1b}[2Japp\n::error::x");
    process.arguments = vec!["\u{202e}".into()];
    let outcome = judged(vec![process], Said::default());
    let mut text = Vec::new();
    text::report(&outcome, Style::default(), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("::")), "{text}");
    let report = items::report(&outcome, "/".into());
    for write in [junit::write, sarif::write, annotations::write] {
        let mut text = Vec::new();
        write(&report, &mut text).unwrap();
        assert!(!text.contains(&0x1b) && !text.is_empty());
    }
}

#[test]
fn every_writer_takes_every_profile_that_can_be_read() {
    let profile = Profile { processes: vec![leaky(7, "/b/app")], ..Profile::without_processes() };
    let mut json = Vec::new();
    profile.write_json(&mut json).unwrap();
    let mut read = 0;
    for place in 0..json.len() {
        json[place] ^= 1;
        if let Ok(profile) = Profile::from_json(&json, "x") {
            read += 1;
            let site = policy::Budget { peak: Some(0), ..Default::default() };
            let outcome = judged(profile.processes, Said { site, growth: Some(0), any_code: true, ..Said::default() });
            let report = items::report(&outcome, "/src".into());
            let to = &mut std::io::sink();
            for write in [junit::write, sarif::write, annotations::write, gitlab::write, tap::write, markdown::write] {
                write(&report, to).unwrap();
            }
            lines::write(&outcome, to).unwrap();
            valgrind::write(&outcome, to).unwrap();
            text::report(&outcome, Style::default(), to).unwrap();
        }
        json[place] ^= 1;
    }
    assert!(read > 100, "{read}");
}

#[test]
fn the_xml_of_valgrind_has_an_error_for_each_open_leak() {
    let mut text = Vec::new();
    valgrind::write(&judged(vec![leaky(7, "/b/app"), leaky(8, "/b/app")], Said::default()), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let texts = |name: &str| {
        let nodes = document.descendants().filter(|node| node.has_tag_name(name));
        nodes.filter_map(|node| node.text().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(texts("kind"), ["Leak_DefinitelyLost", "Leak_PossiblyLost"]);
    assert_eq!(texts("leakedbytes"), ["3264", "40"]);
    assert_eq!(texts("fn")[..2], ["xmalloc", "plant<int>(a&)"]);
}

#[test]
fn frames_that_do_not_count_are_folded_where_others_are() {
    let step = |name: &str, whose: frames::Whose| model::Step {
        function: Some(name.into()),
        file: None,
        line: None,
        module: Some(if whose == frames::Whose::Own { "/b/app" } else { "/lib/libx.so" }.into()),
        offset: 16,
        type_name: None,
        own: whose == frames::Whose::Own,
        whose,
    };
    use frames::Whose::{Library, Own, Runtime};
    let library = || (0..3).map(|number| step(&format!("f{number}"), Library)).collect::<Vec<_>>();
    let lines = text::stack(&[library(), vec![step("own", Own), step("g", Library), step("main", Own)]].concat());
    let expected =
        ["    … 3 frames of libx.so", "    by own (app+0x10)", "    by g (libx.so+0x10)", "    by main (app+0x10)"];
    assert_eq!(lines, expected);
    let lines = text::stack(&[library(), vec![step("_start", Runtime); 3]].concat());
    assert_eq!((lines.len(), lines[0].as_str()), (4, "    at f0 (libx.so+0x10)"));
    let lines = text::stack(&vec![step("deep", Own); 100]);
    assert_eq!((lines.len(), lines[60].as_str()), (61, "    … 40 more frames"));
}

#[test]
fn suppressions_that_hid_nothing_are_named() {
    let profile = Profile {
        processes: vec![leaky(7, "/b/app")],
        suppressions: (0..7)
            .map(|number| crate::profile::leaks::Suppression {
                name: format!("leak:{number}"),
                blocks: number % 2,
                bytes: 0,
            })
            .collect(),
        ..Profile::without_processes()
    };
    assert_eq!(unused(&profile).as_deref(), Some("4 suppressions not used: leak:0, leak:2, leak:4, leak:6"));
}

#[test]
fn only_reach_says_what_counts() {
    let process = leaky(7, "/b/app");
    let scope = policy::Scope { modules: vec!["libother.so".into()], ..Default::default() };
    let outcome = judged(vec![process.clone()], Said { scope: scope.clone(), ..Said::default() });
    assert_eq!((outcome.verdict.word, outcome.counts.foreign, outcome.counts.foreign_bytes), (Word::Clean, 2, 1652));
    let reach = Reach { scope: &scope, wants_own: true, any_code: false };
    assert!(!process.frames.iter().any(|frame| reach.has(&process, super::frames::Whose::Own, frame)));
    let seen = Seen::of(
        &Profile { processes: vec![process], ..Profile::without_processes() },
        &scope,
        Some(7),
        &Default::default(),
    );
    assert!(seen.has_own_code && seen.target_unknown.is_none());
}

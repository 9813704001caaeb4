//! Exports of small processes: hostile names stay inside each format, and regions stand outside calls.

use super::*;
use crate::profile::sample;

/// Names that mean something to one format or another.
const HOSTILE: &str = "a;b (9) #x\n=1+2,\"q\"\x1b[2J\u{202e}</script>";

fn written(target: Target, processes: &[&Process]) -> String {
    let mut bytes = Vec::new();
    write(target, processes, None, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn hostile() -> Process {
    let mut process = sample::process(|maker| {
        maker.site(&[HOSTILE, "main"], 10, 2, 3);
        maker.site(&["=cmd()", "main"], 7, 1, 1);
    });
    process.exe = "/opt/=x;\n\"y".into();
    process.arguments = vec![HOSTILE.into()];
    process.threads[0].name = HOSTILE.into();
    process.modules[0].path = HOSTILE.into();
    process
}

#[test]
fn hostile_names_stay_inside_each_format() {
    let process = hostile();
    for &word in Target::WORDS {
        let target: Target = word.parse().unwrap();
        if target == Target::Pprof {
            continue;
        }
        let text = written(target, &[&process]);
        let is_json = matches!(target, Target::Speedscope | Target::Dhat | Target::Firefox);
        let is_harmful = |letter: char| letter.is_control() && letter != '\n' && letter != '\r' || letter == '\u{202e}';
        assert!(!text.contains(is_harmful), "{word}: {text}");
        if is_json {
            assert_eq!(text.lines().count(), 1, "{word}");
            assert!(text.parse::<serde_json::Value>().is_ok(), "{word}: {text}");
        }
    }
    let folded = written(Target::Folded, &[&process]);
    assert_eq!(folded.lines().filter(|line| line.split(';').count() == 2).count(), 2, "{folded}");
    let csv = written(Target::Csv, &[&process]);
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.contains(",'=cmd(),") && csv.contains("\"\"q\"\""), "{csv}");
    let massif = written(Target::Massif, &[&process]);
    assert!(massif.lines().all(|line| !line.trim_start().starts_with('n') || !line.contains('#')), "{massif}");
    let callgrind = written(Target::Callgrind, &[&process]);
    let names = callgrind.lines().filter(|line| line.starts_with("fn=") || line.starts_with("cfn="));
    assert!(names.clone().count() >= 3 && names.clone().all(|line| line.contains("=(")), "{callgrind}");
}

#[test]
fn an_empty_process_is_an_empty_file_of_each_format() {
    let process = Process::default();
    for &word in Target::WORDS {
        let mut bytes = Vec::new();
        write(word.parse().unwrap(), &[&process], None, &mut bytes).unwrap();
        assert!(word == "folded" || !bytes.is_empty(), "{word}");
    }
}

#[test]
fn regions_stand_outside_the_calls_that_were_made_in_them() {
    let mut process = sample::process(|maker| {
        maker.site(&["request", "load", "main"], 10, 1, 1);
    });
    process.frames[0].kind = "tag".into();
    assert_eq!(written(Target::Folded, &[&process]), "[region request];main;load 10\n");
}

#[test]
fn a_run_that_was_watched_has_its_samples_in_massif() {
    use crate::profile::history::History;
    let mut process = sample::process(|maker| {
        maker.site(&["load", "main"], 10, 1, 1).at_peak_bytes = 90;
    });
    process.history = Some(History {
        step_ns: 1_000_000,
        time_ns: vec![0, 1_000_000, 2_000_000, 3_000_000],
        live_bytes: vec![5, 80, -1, 10],
        ..History::default()
    });
    let massif = written(Target::Massif, &[&process]);
    let values =
        |key: &str| -> Vec<u64> { massif.lines().filter_map(|line| line.strip_prefix(key)?.parse().ok()).collect() };
    assert!(massif.contains("time_unit: ms\n"));
    // The last sample is the end, which has its stacks.
    assert_eq!(values("time="), [0, 1, 1, 3]);
    assert_eq!(values("mem_heap_B="), [5, 80, 90, 10]);
    assert_eq!(massif.matches("heap_tree=peak").count(), 1);
}

#[test]
fn files_of_one_process_each_have_names_of_their_own() {
    let first = beside(Path::new("out"), 7, &[]);
    let second = beside(Path::new("out"), 7, std::slice::from_ref(&first));
    assert_eq!([first, second], ["out.7", "out.7.2"].map(PathBuf::from));
}

//! The jobs in `examples/ci/`: their commands are run in the fixture, and end as they should.

use std::fs;

use memtrace_tests::workspace;

use crate::runners::Fixture;

/// The commands of a job, in their order.
fn commands(file: &str) -> Vec<String> {
    let path = workspace().join("examples/ci").join(file);
    let text = fs::read_to_string(&path).expect("the example is there");
    let starts = ["- run: ", "- memtrace ", "- make "];
    let command = |line: &str| {
        let line = line.trim_start();
        let start = starts.iter().find(|start| line.starts_with(**start))?;
        Some(if *start == "- run: " { &line["- run: ".len()..] } else { &line["- ".len()..] }.to_owned())
    };
    text.lines().filter_map(command).collect()
}

#[test]
fn the_jobs_fail_for_a_new_leak_alone_and_leave_their_reports() {
    for (file, reports) in [
        ("github.yml", &["leaks.sarif", "leaks.xml", "leaks.profile.json"][..]),
        ("gitlab.yml", &["gl-code-quality-report.json", "leaks.xml"]),
    ] {
        for is_new in [false, true] {
            let fixture = Fixture::new();
            let commands = commands(file);
            assert_eq!(commands.len(), 3, "{file}: {commands:?}");
            for (place, command) in commands.iter().enumerate() {
                let ended = fixture.shell(is_new, command);
                let expected = i32::from(is_new && place == 2);
                assert_eq!(ended.code(), Some(expected), "{file}: {command}: {}{}", ended.stdout, ended.stderr);
            }
            for report in reports {
                assert!(fixture.has(report), "{file}: {report}");
            }
        }
    }
}

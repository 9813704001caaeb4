//! Trees of processes: all are there, none is mixed with another, and each place is one finding with those that had it.

use std::collections::BTreeMap;
use std::thread;
use std::time::Instant;

use memtrace_tests::{How, Json, pair};

use crate::work::{Work, number};

/// Bytes by finding, and for each the bytes of its processes.
fn findings(json: &Json) -> Vec<(u64, BTreeMap<u64, u64>)> {
    let findings = json["findings"].as_array().expect("a list").iter();
    let had = |finding: &Json| {
        let list = finding["processes"].as_array().expect("a list").clone();
        list.iter().map(|had| (number(had, "/pid"), number(had, "/bytes"))).collect()
    };
    findings.map(|finding| (number(finding, "/bytes"), had(finding))).collect()
}

#[test]
fn three_hundred_processes_at_once_are_all_there_and_none_is_mixed() {
    const COUNT: u64 = 300;
    let work = Work::new();
    // Each loses as many bytes as its number, and half of them as many again in another place; each says who it is.
    let script = format!(
        "for i in $(seq {COUNT}); do if [ $((i % 2)) = 0 ]; then ./app $i:a $i:b & else ./app $i:a & fi; echo $! $i; done; wait"
    );
    let began = Instant::now();
    let (ended, json) = work.check(&[], &["sh", "-c", &script]);
    println!("{COUNT} processes: {:?}", began.elapsed());
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    let numbers: BTreeMap<u64, u64> = ended
        .stdout
        .lines()
        .filter_map(|line| line.split_once(' ').and_then(|(pid, i)| Some((pid.parse().ok()?, i.parse().ok()?))))
        .collect();
    assert_eq!(numbers.len() as u64, COUNT);
    let found = findings(&json);
    let [(a_bytes, a), (b_bytes, b)] = found.as_slice() else { panic!("{} findings", found.len()) };
    assert_eq!((*a_bytes, a), (COUNT * (COUNT + 1) / 2, &numbers));
    let even: BTreeMap<u64, u64> = numbers.iter().filter(|(_, i)| *i % 2 == 0).map(|(&pid, &i)| (pid, i)).collect();
    assert_eq!((*b_bytes, b), (even.values().sum(), &even));
    assert_eq!(number(&json, "/processes/lost"), 0);
    assert_eq!(json["processes"]["not_judged"].as_array().map(Vec::len), Some(0));
    assert_eq!(json["processes"]["unseen"].as_array().map(Vec::len), Some(0));
    assert!(ended.stderr.contains("in 300 processes: app (pid "), "{}", ended.stderr);
}

#[test]
fn a_check_inside_a_check_has_its_own_processes_and_the_outer_one_the_rest() {
    let work = Work::new();
    let command = pair().command.display().to_string();
    let inner = format!("{command} check --exit-zero --out json:inner.json -- ./app 22:b; ./app 11:a");
    let (ended, outer) = work.check(&[], &["sh", "-c", &inner]);
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    let inner = memtrace_tests::read_json(&work.place.join("inner.json"));
    let bytes = |json: &Json| findings(json).into_iter().map(|(bytes, _)| bytes).collect::<Vec<_>>();
    assert_eq!((bytes(&inner), bytes(&outer)), (vec![22], vec![11]));
    assert!(ended.stderr.contains("of memtrace itself: what such a run starts is recorded by it"), "{}", ended.stderr);
    // memtrace is no program of the project's.
    assert!(number(&outer, "/processes/of_memtrace") >= 1, "{outer:#}");
    assert_eq!(number(&inner, "/processes/judged"), 1);
    // The inner one's status is the outer one's target's own.
    let words = ["check", "--", &command, "check", "--exit-code", "9", "--", "./app", "5"];
    let ended = work.memtrace(&words);
    assert!(
        ended.code() == Some(9) && ended.stderr.contains("the target itself failed: exit status 9"),
        "{}",
        ended.stderr
    );
}

#[test]
fn checks_side_by_side_do_not_meet() {
    let work = Work::new();
    let check = |number: u64| {
        let (bytes, out) = (format!("{number}:a"), format!("json:side-{number}.json"));
        let job = work.place.job(How::Native, &pair().command);
        let ended =
            job.args(["check", "--out", &out, "--", "sh", "-c", &format!("./app {bytes}; ./app {bytes}")]).run();
        assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
        let json = memtrace_tests::read_json(&work.place.join(&format!("side-{number}.json")));
        findings(&json).into_iter().map(|(bytes, had)| (bytes, had.len())).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let checks: Vec<_> = (1..=40u64).map(|number| (number, scope.spawn(move || check(number)))).collect();
        for (number, check) in checks {
            assert_eq!(check.join().expect("its panic was printed"), [(2 * number, 2)]);
        }
    });
}

#[test]
fn an_image_that_exec_replaced_and_what_it_became_are_both_judged() {
    let work = Work::new();
    let (ended, json) = work.check(&[], &["./app", "11:a", "x", "./app", "22:b"]);
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    let found = findings(&json);
    let sizes: Vec<u64> = found.iter().map(|(bytes, _)| *bytes).collect();
    assert_eq!(sizes, [22, 11]);
    assert_eq!(found[0].1.keys().collect::<Vec<_>>(), found[1].1.keys().collect::<Vec<_>>());
    assert_eq!(number(&json, "/processes/judged"), 2);
}

#[test]
fn processes_that_outlive_the_command_are_waited_for() {
    let work = Work::new();
    let script = "(sleep 0.5; exec ./app 33:a) >/dev/null 2>&1 & ./app";
    assert_eq!(work.status(&[], &["sh", "-c", script]).0, Some(1));
    let (status, text) = work.status(&["--wait", "0"], &["sh", "-c", script]);
    assert!(status == Some(0) && text.contains("outlived the command"), "{status:?}: {text}");
}

#[test]
fn shells_pipelines_and_python_give_the_same_findings() {
    let work = Work::new();
    let python = "import subprocess, sys\n\
                  for words in ['11:a'], ['22:b']: subprocess.run(['./app'] + words, check=True)\n";
    let run = format!("python3 -c \"{python}\"");
    let mut seen = Vec::new();
    for script in [
        "./app 11:a; ./app 22:b",
        "./app 11:a | cat; (./app 22:b)",
        "./app 11:a & ./app 22:b & wait",
        "x=$(./app 11:a); find . -name app -exec {} 22:b ';'",
        "printf '11:a\\n22:b\\n' | xargs -n 1 ./app",
        &run,
    ] {
        for shell in ["sh", "bash"] {
            let (ended, json) = work.check(&[], &[shell, "-c", script]);
            assert_eq!(ended.code(), Some(1), "{shell}: {script}: {}", ended.stderr);
            let found: Vec<(String, u64)> = json["findings"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|finding| {
                    (finding["fingerprint"].as_str().unwrap_or_default().to_owned(), number(finding, "/bytes"))
                })
                .collect();
            assert_eq!(found.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(), [22, 11], "{shell}: {script}");
            seen.push(found);
            // The clean twin.
            let clean = script.replace("11:a", "r").replace("22:b", "r");
            let (ended, _) = work.check(&[], &[shell, "-c", &clean]);
            assert_eq!(ended.code(), Some(0), "{shell}: {clean}: {}", ended.stderr);
        }
    }
    assert!(seen.iter().all(|found| *found == seen[0]), "{seen:#?}");
}

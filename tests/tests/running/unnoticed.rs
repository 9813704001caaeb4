//! A process that is checked goes on as if it had not been.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use memtrace_tests::{How, Place, pair};

use crate::ladder::has;
use crate::target::{Target, build, kinds, rung};

const HOWS: [How; 2] = [How::Bare, How::Run];

/// A program gets so long to reach the call in which it waits.
fn settle() {
    thread::sleep(Duration::from_millis(100));
}

/// What changes in what a process sees of itself, with checks in between.
fn seen(how: How, trap: &str, mode: &str) {
    let place = Place::new();
    let mut target = Target::start(&place, how, &build(&place, "looks"), &[trap, mode]);
    let look = |target: &mut Target<'_>| {
        target.say("l");
        target.hear_until("done")
    };
    let before = look(&mut target);
    assert!(before.contains(&"child -1 errno 10".to_owned()), "{before:#?}");
    assert!(before.iter().any(|line| line.ends_with("handled 0")), "{before:#?}");
    for number in 0..3 {
        let rung = rung(&target.check()).0;
        assert_eq!(rung, if mode == "threads" { "stopped" } else { "alone" }, "{how:?} {trap} {mode}");
        // Whoever is left behind ends a little later.
        thread::sleep(Duration::from_millis(20));
        let after = look(&mut target);
        let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        assert!(changed.is_empty(), "{how:?} {trap} {mode}, check {number}: {changed:#?}");
        assert_eq!(before.len(), after.len());
    }
    target.say("e");
    assert_eq!(target.end().code(), Some(3), "{how:?} {trap} {mode}");
}

#[test]
fn a_process_sees_nothing_of_a_check() {
    for how in HOWS {
        for mode in ["alone", "threads", "session"] {
            seen(how, "default", mode);
        }
        for trap in ["ignored", "handled", "blocked"] {
            seen(how, trap, "threads");
        }
    }
}

#[test]
fn a_process_that_inherits_orphans_sees_nothing_of_a_check() {
    for how in HOWS {
        seen(how, "default", "subreaper");
    }
}

#[test]
fn registers_flags_and_the_red_zone_are_as_before() {
    let place = Place::new();
    let program = build(&place, "registers");
    for how in HOWS {
        for thread in ["main", "thread"] {
            let mut target = Target::start(&place, how, &program, &[thread]);
            for _ in 0..5 {
                assert_eq!(rung(&target.check()).0, "stopped", "{how:?} {thread}");
            }
            target.say("e");
            let gone = target.end();
            assert_eq!(gone.code(), Some(0), "{how:?} {thread}: {}", gone.stderr);
            assert!(gone.stdout.iter().any(|line| line.starts_with("same at level")), "{:?}", gone.stdout);
        }
    }
}

/// What the program says of its calls, after some checks; empty: all went as without.
fn interrupted(place: &Place, how: How, arguments: &[&str]) -> Vec<String> {
    let mut target = Target::start(place, how, &place.join("waits"), arguments);
    settle();
    for _ in 0..3 {
        let ended = target.leaks(&[]);
        // The time of a call may be over before that of the checks.
        if ended.code() != Some(0) && ended.code() != Some(2) {
            return vec![format!("check: {:?} {}{}", ended.code(), ended.stdout, ended.stderr)];
        }
        thread::sleep(Duration::from_millis(150));
    }
    target.say("f");
    let gone = target.end();
    let failed = (gone.code() != Some(0)).then(|| format!("{:?} {}", gone.status, gone.stderr));
    gone.stdout.into_iter().filter(|line| !line.ends_with(": ok")).chain(failed).collect()
}

#[test]
fn no_call_of_the_first_thread_is_cut_short() {
    const CALLS: [&str; 31] = [
        "read",
        "write",
        "recv",
        "accept",
        "epoll_wait",
        "epoll_pwait",
        "poll",
        "ppoll",
        "select",
        "futex",
        "sem_wait",
        "msgrcv",
        "semop",
        "flock",
        "waitpid",
        "sigwaitinfo",
        "sigsuspend",
        "nanosleep",
        "clock_nanosleep",
        "poll_timed",
        "ppoll_timed",
        "select_timed",
        "futex_timed",
        "cond_timedwait",
        "sem_timedwait",
        "timerfd",
        "mq_timedreceive",
        "epoll_wait_timed",
        "sigtimedwait",
        "recv_timed",
        "semtimedop",
    ];
    let place = Place::new();
    build(&place, "waits");
    let jobs: Vec<_> = HOWS.into_iter().flat_map(|how| CALLS.map(|call| (how, call))).collect();
    let next = AtomicUsize::new(0);
    // They mostly wait.
    let worker = || {
        let mut wrong = Vec::new();
        while let Some(&(how, call)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = interrupted(&place, how, &["main", call]);
            wrong.extend(found.into_iter().map(|found| format!("{how:?} {call}: {found}\n")));
        }
        wrong
    };
    let mut wrong: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..12).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("its panic has been printed")).collect()
    });
    wrong.sort();
    assert!(wrong.is_empty(), "\n{}", wrong.concat());
}

#[test]
fn no_call_of_another_thread_is_cut_short() {
    let place = Place::new();
    build(&place, "waits");
    for how in HOWS {
        let wrong = interrupted(&place, how, &["threads"]);
        assert!(wrong.is_empty(), "{how:?}: {wrong:#?}");
    }
}

#[test]
fn signals_are_handled_once_and_timers_go_on() {
    let place = Place::new();
    let program = build(&place, "signals");
    for how in HOWS {
        for work in ["compute", "read"] {
            let mut target = Target::start(&place, how, &program, &[work]);
            for _ in 0..20 {
                let ended = target.leaks(&[]);
                assert_eq!(ended.code(), Some(0), "{how:?} {work}: {}", ended.stderr);
            }
            target.say("e");
            let gone = target.end();
            let said = gone.stdout.iter().filter(|line| line.starts_with("ok: ")).count();
            assert_eq!((gone.code(), said), (Some(3), 2), "{how:?} {work}: {:?} {}", gone.stdout, gone.stderr);
        }
    }
}

/// What `crowd` has planted.
fn is_planted(target: &Target<'_>) -> Result<(), String> {
    let check = target.check();
    let sum = |kind: &str| {
        let sum = &check.last_word().expect("it was classified")["summary"][kind];
        (sum["blocks"].as_u64(), sum["bytes"].as_u64())
    };
    let found = [sum("definite"), sum("indirect"), sum("possible")];
    let right = [(Some(10), Some(10_040)), (Some(0), Some(0)), (Some(1), Some(5_020))];
    let held = kinds(&check, 4012);
    if found == right && held == "1 reachable" && rung(&check).0 == "stopped" {
        return Ok(());
    }
    Err(format!("{:?} definite, indirect, possible {found:?}, held {held}", rung(&check)))
}

/// Checks a crowd again and again, by what is wrong in each.
fn crowd(how: How, arguments: &[&str; 4], checks: usize) -> Vec<String> {
    let place = Place::new();
    let program = build(&place, "crowd");
    let mut target = Target::start(&place, how, &program, arguments);
    let wrong: Vec<String> = (0..checks).filter_map(|_| is_planted(&target).err()).collect();
    target.say("e");
    let gone = target.end();
    assert_eq!(gone.code(), Some(3), "{how:?}: {}", gone.stderr);
    assert!(arguments[0] == "0" || gone.stdout != ["rounds 0"], "nothing was allocated");
    wrong
}

#[test]
fn fifty_checks_among_threads_that_allocate_find_what_was_planted() {
    assert_eq!(crowd(How::Bare, &["4", "0", "0", "1000"], 50), [""; 0]);
}

#[test]
fn fifty_checks_among_threads_that_allocate_find_what_was_planted_under_run() {
    assert_eq!(crowd(How::Run, &["4", "0", "0", "1000"], 50), [""; 0]);
}

#[test]
fn sixty_four_threads_are_stopped_and_go_on() {
    for how in HOWS {
        assert_eq!(crowd(how, &["0", "4", "60", "1"], 4), [""; 0], "{how:?}");
    }
}

/// With threads the kernel lets whoever registers for membarrier(2) wait, and with it every thread that begins meanwhile.
#[test]
fn what_a_second_thread_needs_of_the_kernel_is_there_before_it() {
    if !has("strace") {
        return;
    }
    let place = Place::new();
    let program = build(&place, "ladder").display().to_string();
    let preload = format!("LD_PRELOAD={}", pair().library.display());
    let calls = ["-f", "-o", "calls", "-e", "trace=membarrier,clone,clone3", "-E", &preload, &program];
    let ended = place.job(How::Native, "strace").args(calls).env("MEMTRACE_QUIET", "1").run();
    assert_eq!(ended.code(), Some(7), "{}", ended.stderr);
    let calls = place.read("calls");
    let at = |what: &str| calls.lines().position(|line| line.contains(what));
    let (registered, thread) = (at("REGISTER_PRIVATE_EXPEDITED"), at("CLONE_THREAD"));
    assert!(registered.is_some() && registered < thread, "{calls}");
    assert_eq!(calls.matches("REGISTER_PRIVATE_EXPEDITED").count(), 1, "{calls}");
}

//! What fails by numbers, stacks, rates, limits, and on request.

use super::*;
use memtrace_wire::plan::Wanted;
use std::vec;
use std::vec::Vec;

fn struck(plan: &Plan<'_>, sizes: &[u64]) -> Vec<usize> {
    let choice = Choice::new();
    let chosen = |place: &usize| {
        let (index, bytes) = (*place as u64, sizes[*place]);
        let random = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        choice.chooses(
            plan,
            &Candidate {
                index,
                kind: Kind::of(Op::Malloc),
                name: bytes,
                bytes,
                live_bytes: bytes,
                is_asked: false,
                random,
            },
        )
    };
    (0..sizes.len()).filter(chosen).collect()
}

#[test]
fn each_nth_fails_up_to_a_number() {
    assert_eq!(struck(&Plan { every: 3, ..Plan::NONE }, &[1; 10]), [2, 5, 8]);
    assert_eq!(struck(&Plan { every: 3, times_max: 2, ..Plan::NONE }, &[1; 10]), [2, 5]);
}

#[test]
fn a_limit_on_bytes_is_never_passed_and_what_failed_does_not_count() {
    assert_eq!(struck(&Plan { bytes_max: 100, ..Plan::NONE }, &[60, 50, 40, 1, 0]), [1, 3]);
    assert_eq!(struck(&Plan { live_bytes_max: 50, ..Plan::NONE }, &[60, 50, 51]), [0, 2]);
    assert_eq!(struck(&Plan { bytes_max: 0, ..Plan::NONE }, &[u64::MAX, 0, 1]), [0, 2]);
}

#[test]
fn what_fails_after_a_stack_is_of_its_kind() {
    let struck = |times, ops: &[Op]| {
        let mut plan = Plan { stack_count: 1, times, ..Plan::NONE };
        plan.stacks[0] = Wanted { name: 1, occurrence: 1 };
        let choice = Choice::new();
        let chosen = |place: &usize| {
            let (index, op) = (*place as u64, ops[*place]);
            let name = u64::from(index == 1);
            let kind = Kind::of(op);
            let candidate = Candidate { index, kind, name, bytes: 0, live_bytes: 0, is_asked: false, random: 0 };
            choice.chooses(&plan, &candidate)
        };
        (0..ops.len()).filter(chosen).collect::<Vec<usize>>()
    };
    let ops = [Op::Send, Op::Send, Op::Malloc, Op::Recv, Op::Send, Op::Send];
    assert_eq!([1, 2, u64::MAX].map(|times| struck(times, &ops)), [vec![1], vec![1, 4], vec![1, 4, 5]]);
    let ops = [Op::Send, Op::Calloc, Op::Malloc, Op::Recv, Op::New];
    assert_eq!(struck(u64::MAX, &ops), [1, 2, 4]);
}

#[test]
fn a_chance_strikes_about_so_often() {
    let at = |chance| struck(&Plan { chance, ..Plan::NONE }, &[1; 10_000]).len();
    assert_eq!((at(0), at(CHANCE_PARTS)), (0, 10_000));
    assert!((2_300..2_700).contains(&at(CHANCE_PARTS / 4)), "{}", at(CHANCE_PARTS / 4));
}

#[test]
fn what_the_program_asks_for_counts_from_then_on() {
    let choice = Choice::new();
    let next = || {
        choice.chooses(
            &Plan::NONE,
            &Candidate {
                index: 9,
                kind: Kind(0),
                name: 0,
                bytes: 1,
                live_bytes: 1,
                is_asked: choice.asked.means(7, || false),
                random: 0,
            },
        )
    };
    assert!(!next());
    let terms = |after, count, thread| Terms { after, count, thread, by_stack: false, only_recorded: false };
    choice.asked.arm(terms(1, 2, 0));
    assert_eq!([next(), next(), next(), next()], [false, true, true, false]);
    assert_eq!((choice.asked.seen.get(), choice.asked.fired.get()), (4, 2));
    choice.asked.arm(terms(0, 0, 8));
    assert!(!next() && choice.asked.seen.get() == 0);
    choice.asked.arm(terms(0, 0, 7));
    assert!(next() && next());
    choice.asked.disarm();
    assert!(!next() && choice.asked.fired.get() == 2);
}

#[test]
fn modules_are_those_that_the_program_named_last() {
    let asked = &Choice::new().asked;
    let terms = |thread| Terms { after: 0, count: 1, thread, by_stack: false, only_recorded: false };
    assert!(!asked.has_modules() && !asked.names_module(b"/lib/libc.so.6"));
    asked.arm_for(terms(0), b"libm.so.*,libcrypt*");
    assert!(asked.has_modules() && asked.names_module(b"/lib/libm.so.6") && asked.names_module(b"libcrypto.so"));
    assert!(asked.means(7, || true) && !asked.means(7, || false));
    asked.arm_for(terms(7), b"libm");
    assert!(!asked.names_module(b"/lib/libm.so.6") && asked.names_module(b"/lib/libm"));
    assert!(asked.means(7, || true) && !asked.means(8, || true));
    let longest = [b'x'; MODULES_BYTES_MAX];
    asked.arm_for(terms(0), &longest);
    assert!(asked.names_module(&longest) && !asked.names_module(b"x"));
    asked.arm(terms(0));
    assert!(!asked.has_modules() && !asked.names_module(&longest) && asked.means(7, || false));
}

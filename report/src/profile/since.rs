//! What has come since an earlier recording of the same process: sites by what they have grown, what is lost beyond, and
//! failures since then.
//!
//! Only that is named: of a Python process's hundred thousand stacks a test adds a handful.
//!
//! Invariant: a process's tables are only ever added to, so the site of a number is the same site in both.

use std::collections::BTreeMap;

use super::leaks::{Check, Kind, Leak, Sum};
use super::model::{Process, Profile};
use super::sites::{op, op_of};
use super::verdicts::{SiteLost, Verdicts};
use super::{build, checks};
use crate::error::Error;
use crate::names::Known;
use crate::recording::{self, Recording};
use memtrace_wire::layout;

/// What counts beyond an earlier state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Whatever has grown.
    All,
    /// What is lost alone.
    Lost,
}

/// The profile of what is new in the recording's last process; without an earlier one, all is.
pub fn profile(recording: &mut Recording, before: Option<&Recording>, what: What) -> Result<Profile, Error> {
    let Some(now) = recording.processes.last_mut() else { return Ok(build::empty()) };
    let before = before.and_then(|before| before.processes.last());
    if let Some(before) = before {
        is_same(now, before)?;
    }
    let lost = lost_since(now, before);
    grow(now, before, what);
    let sites = now.sites.iter().filter(|site| site.total_count.get() != 0);
    let of_lost = lost.keys().filter_map(|&(site, _)| now.sites.get(site as usize));
    let faults = now.faults.iter().skip(before.map_or(0, |before| before.faults.len()));
    let mut nodes: Vec<u32> = sites.chain(of_lost).map(|site| site.node.get()).collect();
    nodes.extend(faults.filter(|fault| fault.ready.get() == 1).map(|fault| fault.node.get()));
    let (mut process, numbers) = Process::chosen(now, &nodes, &mut Known::new());
    let stacks: BTreeMap<u32, u32> = nodes.into_iter().zip(numbers).collect();
    process.checks = check(now, &stacks, &lost).into_iter().collect();
    Ok(Profile { processes: vec![process], ..build::empty() })
}

/// An earlier state of another process says nothing.
fn is_same(now: &recording::Process, before: &recording::Process) -> Result<(), Error> {
    let image = |process: &recording::Process| (process.header.pid.get(), process.header.start_ns.get());
    let is_earlier = before.sites.len() <= now.sites.len() && before.faults.len() <= now.faults.len();
    if image(now) == image(before) && is_earlier {
        return Ok(());
    }
    let (found, expected) = (before.header.pid.get(), now.header.pid.get());
    Err(Error::read(
        "the earlier recording",
        format!("process {found}, expected an earlier state of process {expected}"),
    ))
}

/// Lost blocks by site and kind, beyond those that a site had lost before. A block that was lost already is none of them,
/// be it of another kind now.
fn lost_since(now: &recording::Process, before: Option<&recording::Process>) -> BTreeMap<(u32, Kind), SiteLost> {
    let then = before.map(lost).unwrap_or_default();
    let mut rest: BTreeMap<u32, u64> = BTreeMap::new();
    let mut found = lost(now);
    for (&(site, _), lost) in &found {
        *rest.entry(site).or_default() += lost.blocks;
    }
    for (&(site, _), lost) in &then {
        rest.entry(site).and_modify(|blocks| *blocks = blocks.saturating_sub(lost.blocks));
    }
    // In the order of kinds, the worst first.
    found.retain(|key, lost| {
        let before = then.get(key).copied().unwrap_or_default();
        let rest = rest.entry(key.0).or_default();
        lost.blocks = lost.blocks.saturating_sub(before.blocks).min(*rest);
        lost.bytes = lost.bytes.saturating_sub(before.bytes);
        *rest -= lost.blocks;
        lost.blocks != 0
    });
    found
}

fn lost(process: &recording::Process) -> BTreeMap<(u32, Kind), SiteLost> {
    Verdicts::of(process).checks.last().map(|verdict| verdict.lost_by_site()).unwrap_or_default()
}

/// Leaves of the sites' counters what has come: a site that has not grown is left out.
fn grow(now: &recording::Process, before: Option<&recording::Process>, what: What) {
    let live = |site: &layout::Site| {
        let blocks = site.live_count().saturating_sub(site.foreign_count.get());
        (blocks, site.live_bytes.get().saturating_sub(site.foreign_bytes.get()))
    };
    for (number, site) in now.sites.iter().enumerate() {
        let then = before.and_then(|before| before.sites.get(number)).map(live).unwrap_or_default();
        let (blocks, bytes) = live(site);
        let blocks = if what == What::Lost { 0 } else { blocks.saturating_sub(then.0) };
        let bytes = if blocks == 0 { 0 } else { bytes.saturating_sub(then.1) };
        for count in [&site.total_count, &site.peak_count, &site.at_peak_count] {
            count.set(blocks);
        }
        for sum in [&site.total_bytes, &site.live_bytes, &site.peak_bytes, &site.at_peak_bytes] {
            sum.set(bytes);
        }
        for zero in [&site.freed_count, &site.foreign_count, &site.foreign_bytes, &site.temporary_count] {
            zero.set(0);
        }
        site.largest_bytes.set(site.largest_bytes.get().min(bytes));
        site.realloc_count.set(0);
        site.realloc_moved.set(0);
    }
}

/// The last check, with these blocks alone.
fn check(
    now: &recording::Process,
    stacks: &BTreeMap<u32, u32>,
    lost: &BTreeMap<(u32, Kind), SiteLost>,
) -> Option<Check> {
    let (whole, _) = now.checks.whole();
    let mut check = checks::without_rows(whole.last()?.row);
    let mut leaks: BTreeMap<(u32, u32, Kind), Leak> = BTreeMap::new();
    for (&(number, kind), lost) in lost {
        let Some(site) = now.sites.get(number as usize) else { continue };
        let Some(&stack) = stacks.get(&site.node.get()) else { continue };
        let leak = leaks.entry((stack, op_of(site), kind)).or_insert_with(|| Leak {
            stack,
            op: op(op_of(site)),
            kind,
            blocks: 0,
            bytes: 0,
            indirect_blocks: 0,
            indirect_bytes: 0,
            address: lost.address,
            suppression: None,
        });
        leak.blocks = leak.blocks.saturating_add(lost.blocks);
        leak.bytes = leak.bytes.saturating_add(lost.bytes);
        check.summary.of(kind).add(lost.blocks, lost.bytes);
    }
    check.summary.reachable = Sum::default();
    check.leaks = leaks.into_values().collect();
    check.leaks.sort_by_key(|leak| (leak.kind, std::cmp::Reverse(leak.all_bytes())));
    Some(check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::builder::{Found, Target, file_of, recording};

    fn read(target: Target) -> Recording {
        Recording::from_file(file_of(&recording(&[target])), "x").unwrap()
    }

    /// Sites 2 to 5 with so many live blocks of 8 bytes, and what a check found of them.
    fn target(live: [u64; 4], found: &Found) -> Target {
        let mut target = Target::new(1, "app");
        for (number, live) in (1..).zip(live) {
            let leaf = target.stack(&[0x1000 * number, 0x50]);
            target.site(leaf, 8, 9, live);
        }
        target.check(found);
        target
    }

    fn found(lost: &[(u64, u32, &'static [u32])]) -> Found {
        Found { lost: lost.to_vec(), held: Vec::new() }
    }

    #[test]
    fn sites_stand_there_with_what_they_have_grown_and_others_are_not_named() {
        let before = read(target([2, 3, 4, 0], &found(&[(0x100, 2, &[])])));
        let mut now = read(target([2, 5, 3, 1], &found(&[(0x100, 2, &[]), (0x200, 3, &[]), (0x300, 3, &[])])));
        let of = |what| profile(&mut read(target([2, 5, 3, 1], &Found::default())), Some(&before), what).unwrap();
        let grown = profile(&mut now, Some(&before), What::All).unwrap();
        let process = &grown.processes[0];
        let rows: Vec<_> = process.sites.iter().map(|site| (site.live_blocks, site.live_bytes)).collect();
        assert_eq!(rows, [(2, 16), (1, 8)]);
        assert_eq!((process.stacks.len(), process.summary.live_blocks, process.summary.allocations), (2, 3, 3));
        let [check] = process.checks.as_slice() else { panic!() };
        let leaks: Vec<_> = check.leaks.iter().map(|leak| (leak.stack, leak.kind, leak.blocks, leak.bytes)).collect();
        assert_eq!(leaks, [(process.sites[0].stack, Kind::Definite, 2, 32)]);
        assert_eq!((check.summary.definite, check.summary.reachable), (Sum { blocks: 2, bytes: 32 }, Sum::default()));
        // What is lost no longer is nothing new.
        let nothing = of(What::Lost);
        assert_eq!((nothing.processes[0].sites.len(), nothing.processes[0].stacks.len()), (0, 0));
        assert!(nothing.processes[0].checks[0].leaks.is_empty());
    }

    #[test]
    fn what_was_lost_before_is_not_new_in_another_kind() {
        // A block that was lost alone is held by a lost one of another site now.
        let before = read(target([1, 1, 0, 0], &found(&[(0x100, 2, &[])])));
        let mut now = read(target([1, 1, 0, 0], &found(&[(0x100, 2, &[]), (0x200, 3, &[0])])));
        let new = profile(&mut now, Some(&before), What::Lost).unwrap();
        let leaks = &new.processes[0].checks[0].leaks;
        assert_eq!(leaks.len(), 1, "{leaks:?}");
        assert_eq!((leaks[0].kind, leaks[0].blocks, leaks[0].address), (Kind::Definite, 1, 0x200));
        // Without an earlier state all are.
        let mut now = read(target([1, 1, 0, 0], &found(&[(0x100, 2, &[]), (0x200, 3, &[0])])));
        let all = profile(&mut now, None, What::Lost).unwrap();
        assert_eq!(all.processes[0].checks[0].leaks.len(), 2);
    }

    #[test]
    fn another_process_and_a_later_state_are_refused() {
        let mut now = read(target([1, 0, 0, 0], &Found::default()));
        let mut later = target([1, 0, 0, 0], &Found::default());
        let leaf = later.stack(&[0x9000]);
        later.site(leaf, 8, 1, 1);
        for before in [Target::new(2, "app"), later] {
            let error = profile(&mut now, Some(&read(before)), What::All).unwrap_err().to_string();
            assert!(error.starts_with("cannot read the earlier recording: process "), "{error}");
        }
    }
}

//! Profiles from recordings, to JSON and back.

use std::collections::HashMap;
use std::path::Path;

use memtrace_wire::layout::{self, Op, Passive, frame, module_flags};
use memtrace_wire::loss::Loss;

use super::*;
use crate::recording::builder::{Found, Target, file_of, recording, zero};

fn read(targets: &[Target]) -> Recording {
    Recording::from_file(file_of(&recording(targets)), "recording `x`").unwrap()
}

fn build(targets: &[Target]) -> Profile {
    build_with(targets, Options::default())
}

fn build_with(targets: &[Target], options: Options) -> Profile {
    build::profile(&read(targets), &options, &Places::below(Path::new("/nowhere")))
}

/// A process that leaks 3 of 5 blocks of 64 bytes from `0x1010` in a module, and has something of everything.
fn rich() -> Target {
    let mut target = Target::new(1234, "/opt/app");
    target.module("/no/such/app", 0x1000, &[0xab, 0xcd]).flags.set(module_flags::EXE);
    let leak = target.stack(&[0x1011, 0x2022, 0x9_0000]);
    target.site(leak, 64, 5, 3);
    let cut = target.stack(&[0x3033, frame::CUT_DEPTH]);
    target.site(cut, 10, 1, 0);
    let fault: layout::Fault = zero();
    fault.index.set(10);
    fault.bytes.set(64);
    fault.op.set(Op::Calloc as u32);
    fault.node.set(leak);
    fault.ready.set(1);
    target.faults.push(fault);
    target.header.fault_armed.set(1);
    target.header.fault_fired.set(1);
    target.header.losses[Loss::CutDepth as usize].set(1);
    let found = Found {
        lost: vec![(0x100, 2, &[1]), (0x200, 3, &[])],
        held: vec![(2, 1, 64, vec![(1, 0x1008, 0, 0), (0, 0x3010, 0x3000, 3)])],
    };
    let check = target.check(&found);
    check.hindrance.set(layout::Hindrance::Ptrace as u32);
    check.flags.set(15);
    target.settings = ["MALLOC_FAIL_AFTER=10", "MEMTRACE_TOP=x\u{1b}"].map(String::from).to_vec();
    target
}

#[test]
fn a_profile_says_what_the_recording_holds() {
    let profile = build(&[rich()]);
    let [process] = profile.processes.as_slice() else { panic!() };
    assert_eq!((process.pid, process.exe.as_str()), (1234, "/opt/app"));
    assert_eq!(process.arguments, ["app", "--flag"]);
    let summary = &process.summary;
    assert_eq!((summary.allocations, summary.allocated_bytes, summary.frees), (6, 330, 3));
    assert_eq!((summary.live_blocks, summary.live_bytes, summary.stacks), (3, 192, 2));
    assert_eq!(process.losses, [("cut_depth".to_string(), 1)].into());
    assert_eq!(process.warnings.len(), 1);
    assert_eq!(process.faults[0].op, "calloc");
    let site = &process.sites[0];
    let frames: Vec<_> =
        process.stacks[site.stack as usize].iter().map(|&place| &process.frames[place as usize]).collect();
    let places: Vec<_> = frames.iter().map(|frame| (frame.module, frame.offset)).collect();
    assert_eq!(places, [(Some(0), 0x10), (Some(0), 0x1021), (None, 0x8_ffff)]);
    assert_eq!(process.modules[0].names, "unreadable");
}

#[test]
fn an_exact_frame_is_named_by_its_own_address() {
    let mut target = Target::new(1, "app");
    let leaf = target.stack(&[0x1000 | frame::EXACT, 0x1000]);
    target.site(leaf, 1, 1, 1);
    let profile = build(&[target]);
    let offsets: Vec<u64> = profile.processes[0].frames.iter().map(|frame| frame.offset).collect();
    assert!(offsets.contains(&0x1000) && offsets.contains(&0xfff));
}

#[test]
fn a_module_names_only_the_nodes_of_its_own_time() {
    let mut target = Target::new(1, "app");
    target.module("/no/first.so", 0x1000, &[]).node_end.set(2);
    target.module("/no/second.so", 0x1000, &[]).node_first.set(2);
    let before = target.stack(&[0x1011 | frame::RETIRED]);
    let after = target.stack(&[0x1011]);
    target.site(before, 1, 1, 1);
    target.site(after, 1, 1, 1);
    let profile = build(&[target]);
    let modules: Vec<_> = profile.processes[0].frames.iter().map(|frame| frame.module).collect();
    assert!(modules.contains(&Some(0)) && modules.contains(&Some(1)));

    // Code that was generated where a module once was belongs to none.
    let mut target = Target::new(1, "app");
    target.module("/no/gone.so", 0x1000, &[]).node_end.set(1);
    let after = target.stack(&[0x1011]);
    target.site(after, 1, 1, 1);
    assert!(build(&[target]).processes[0].frames.iter().all(|frame| frame.module.is_none()));
}

#[test]
fn frames_of_the_shim_are_left_out_and_equal_sites_are_one() {
    let mut target = Target::new(1, "app");
    target.module("/no/libmemtrace.so", 0x5_0000, &[]).flags.set(module_flags::SHIM);
    let through = target.stack(&[0x5_0010, 0x1011]);
    let direct = target.stack(&[0x1011]);
    target.site(through, 8, 2, 1);
    target.site(direct, 8, 3, 3);
    let profile = build(&[target]);
    let process = &profile.processes[0];
    assert_eq!(process.sites.len(), 1);
    assert_eq!((process.sites[0].live_blocks, process.sites[0].total_blocks), (4, 5));
    assert_eq!(process.stacks[process.sites[0].stack as usize].len(), 1);
}

#[test]
fn blocks_that_others_freed_are_not_live() {
    let mut target = Target::new(1, "app");
    let leaf = target.stack(&[0x1011]);
    let site = target.site(leaf, 8, 5, 5);
    site.foreign_count.set(2);
    site.foreign_bytes.set(16);
    site.epoch.set(7);
    site.at_peak_bytes.set(40);
    site.at_peak_count.set(5);
    let at_peak = |epoch| {
        target.header.peak_epoch.set(epoch);
        let bytes = recording_of(&target);
        let recording = Recording::from_file(file_of(&bytes), "x").unwrap();
        let profile = build::profile(&recording, &Options::default(), &Places::below(Path::new("/nowhere")));
        let site = profile.processes[0].sites[0].clone();
        (site.live_blocks, site.live_bytes, site.at_peak_blocks, site.at_peak_bytes)
    };
    assert_eq!(at_peak(7), (3, 24, 5, 40));
    // Not touched since the last high: what is live now was live then.
    assert_eq!(at_peak(8), (3, 24, 3, 24));
}

fn recording_of(target: &Target) -> Vec<u8> {
    recording(std::slice::from_ref(target))
}

#[test]
fn site_1_has_no_stack_and_a_trie_that_leads_nowhere_is_a_loss() {
    let mut target = Target::new(1, "app");
    target.sites[1].total_count.set(1);
    let outside = target.node(0x1011, 99);
    target.site(outside, 8, 1, 1);
    let own_parent = target.node(0x1011, 2);
    target.site(own_parent, 8, 1, 1);
    let profile = build(&[target]);
    let process = &profile.processes[0];
    let functions: Vec<_> = process.frames.iter().filter_map(|frame| frame.function.as_deref()).collect();
    assert_eq!(functions, ["no stack could be taken", "the recording is damaged here"]);
    assert_eq!(process.losses.get(DAMAGED), Some(&2));
    assert!(process.stacks.iter().all(|stack| stack.len() <= 2));
}

#[test]
fn a_wait_status_belongs_to_the_last_image_of_a_pid() {
    let (first, second) = (Target::new(7, "sh"), Target::new(7, "ls"));
    first.header.end.set(layout::End::Exec as u32);
    second.header.start_ns.set(first.header.start_ns.get() + 1);
    let options = Options { ends: HashMap::from([(7, EndStatus::Killed(9))]), ..Options::default() };
    let profile = build_with(&[first, second], options);
    let ends: Vec<_> = profile.processes.iter().map(|process| (process.end.how.as_str(), process.end.signal)).collect();
    assert_eq!(ends, [("exec", None), ("none", Some(9))]);
}

#[test]
fn a_passive_process_says_why() {
    let target = Target::new(7, "sudo");
    target.header.passive.set(Passive::Secure as u32);
    assert_eq!(build(&[target]).processes[0].passive.as_deref(), Some("secure"));
}

#[test]
fn a_profile_reads_back_as_it_was_written() {
    let profile = build(&[rich(), Target::new(1235, "child")]);
    let mut json = Vec::new();
    profile.write_json(&mut json).unwrap();
    assert_eq!(Profile::from_json(&json, "profile `x`").unwrap(), profile);
}

#[test]
fn the_schema_describes_every_field_and_no_other() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../schema/profile-1.schema.json")).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let passive = Target::new(1235, "sudo");
    passive.header.passive.set(Passive::Valgrind as u32);
    let mut json = Vec::new();
    build(&[rich(), passive]).write_json(&mut json).unwrap();
    let whole: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let faults: Vec<String> = validator.iter_errors(&whole).map(|error| error.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}");
    // One field more or less, anywhere in the process, is a fault.
    for name in [
        "process",
        "/summary",
        "/sites/0",
        "/frames/0",
        "/modules/0",
        "/threads/0",
        "/faults/0",
        "/end",
        "/calls",
        "/checks/0",
        "/checks/0/summary",
        "/checks/0/summary/definite",
        "/checks/0/heuristics",
        "/checks/0/leaks/0",
        "/checks/0/held/0",
        "/checks/0/held/0/path/0",
    ] {
        let at = format!("/processes/0{}", if name == "process" { "" } else { name });
        let mut more = whole.clone();
        more.pointer_mut(&at).unwrap()["surprise"] = 1.into();
        assert!(!validator.is_valid(&more), "{at}");
        let mut less = whole.clone();
        let object = less.pointer_mut(&at).unwrap().as_object_mut().unwrap();
        let first = object.keys().next().unwrap().clone();
        object.remove(&first);
        assert!(!validator.is_valid(&less), "{at} without {first}");
    }
}

#[test]
fn foreign_newer_and_broken_files_are_one_error() {
    let message = |bytes: &[u8]| Profile::from_json(bytes, "profile `x.json`").unwrap_err().to_string();
    assert_eq!(message(b""), "cannot read profile `x.json`: it is empty, expected a profile");
    assert!(message(br#"{"a": 1}"#).ends_with("expected format `memtrace-profile`"));
    let newer = br#"{"format": "memtrace-profile", "version": 3, "processes": 5}"#;
    assert_eq!(message(newer), "cannot read profile `x.json`: version 3, this memtrace reads up to 1");
    assert!(message(br#"{"format": "memtrace-profile", "version": 1}"#).contains("something else than a profile"));
    assert!(message("[".repeat(1 << 20).as_bytes()).contains("something else"));
    let deep = format!("{{\"format\": {}", "[".repeat(1 << 20));
    assert!(message(deep.as_bytes()).starts_with("cannot read"));
    let deep = format!("{{\"other\": {}", "[".repeat(1 << 20));
    assert!(message(deep.as_bytes()).starts_with("cannot read"));
}

#[test]
fn every_cut_and_every_wrong_reference_is_an_error() {
    let mut json = Vec::new();
    build(&[rich()]).write_json(&mut json).unwrap();
    let end = json.iter().rposition(|&byte| byte == b'}').unwrap();
    for length in 0..=end {
        assert!(Profile::from_json(&json[..length], "x").is_err(), "{length}");
    }
    let whole: serde_json::Value = serde_json::from_slice(&json).unwrap();
    for at in [
        "/sites/0/stack",
        "/sites/0/thread",
        "/stacks/0/0",
        "/frames/0/module",
        "/faults/0/stack",
        "/faults/0/thread",
        "/checks/0/leaks/0/stack",
        "/checks/0/leaks/0/suppression",
        "/checks/0/held/0/stack",
        "/checks/0/held/0/suppression",
        "/checks/0/held/0/path/1/stack",
        "/checks/0/held/0/path/0/module",
    ] {
        let mut wrong = whole.clone();
        *wrong.pointer_mut(&format!("/processes/0{at}")).unwrap() = 1000.into();
        let error = Profile::from_json(wrong.to_string().as_bytes(), "x").unwrap_err().to_string();
        assert!(error.contains("1000 is referred to"), "{at}: {error}");
    }
}

#[test]
fn a_flipped_byte_never_stops_the_reader() {
    let mut json = Vec::new();
    build(&[rich()]).write_json(&mut json).unwrap();
    for place in 0..json.len() {
        for flip in [1, 0x10, 0x80] {
            json[place] ^= flip;
            if let Ok(profile) = Profile::from_json(&json, "x") {
                crate::text::report(&profile, &crate::text::Request::default(), &mut std::io::sink()).unwrap();
            }
            json[place] ^= flip;
        }
    }
}

//! Why blocks are still there: what holds them, from a root on.

use std::io::{self, Write};

use super::escape::Safe;
use super::frame::{Lines, line_of};
use super::leaks::head;
use super::number::{bytes, thousands};
use super::title;
use crate::profile::leaks::{Check, Held, Kind, Step, Sum};
use crate::profile::{Process, Profile};
use crate::site;
use crate::views::leaks::{LeakRow, rows_that_match};
use crate::views::{Choice, base_name};

/// The ways to all blocks that `choice` takes, behind those that nothing holds.
pub fn why(profile: &Profile, choice: &Choice, to: &mut dyn Write) -> io::Result<()> {
    let mut found = 0;
    for process in &profile.processes {
        let is_classified = |check: &&Check| matches!(check.rung.as_str(), "alone" | "stopped" | "waiting");
        let Some(check) = process.checks.iter().rev().find(is_classified) else { continue };
        let (lost, held) = rows_that_match(process, check, choice);
        if lost.is_empty() && held.is_empty() {
            continue;
        }
        let lead = if found > 0 { "\n" } else { "" };
        writeln!(to, "{lead}memtrace: {}", title(process))?;
        found += 1;
        let mut lines = Lines::of(process);
        for row in &lost {
            writeln!(to, "\n{}", head(row))?;
            lines.print(row.stack, to)?;
            writeln!(to, "  {}", nobody(row.kind))?;
        }
        for held in held {
            print_held(process, held, &mut lines, to)?;
        }
    }
    if found == 0 {
        let is_classified = profile.processes.iter().any(|process| !process.checks.is_empty());
        let why = if is_classified { "no block of such a stack was live" } else { "nothing was classified" };
        writeln!(to, "memtrace: {why}")?;
    }
    Ok(())
}

fn nobody(kind: Kind) -> &'static str {
    match kind {
        Kind::Definite => "nothing holds them",
        Kind::Possible => "only pointers behind their starts lead to them",
        Kind::Indirect => "only lost blocks hold them",
        Kind::Reachable => "held",
        Kind::Suppressed => "suppressed",
    }
}

fn print_held(process: &Process, held: &Held, lines: &mut Lines, to: &mut dyn Write) -> io::Result<()> {
    let direct = Sum { blocks: held.blocks, bytes: held.bytes };
    let row = LeakRow { stack: held.stack, kind: Kind::Reachable, direct, indirect: Sum::default() };
    let retained = match held.retained_bytes {
        retained if retained > held.bytes => format!(", {} bytes with what they alone hold", thousands(retained)),
        _ => String::new(),
    };
    writeln!(to, "\n{}{retained}", head(&row))?;
    lines.print(held.stack, to)?;
    if held.path.is_empty() {
        return writeln!(to, "  the way to them was not kept");
    }
    writeln!(to, "  one of them, of {}, is held by", bytes(held.address_bytes))?;
    for step in &held.path {
        writeln!(to, "    {}", holder(process, step))?;
    }
    Ok(())
}

/// What held a block of a row's when an earlier check found it still reachable: when that was, and the way to it.
pub fn held_before(process: &Process, row: &LeakRow) -> Option<String> {
    let (_, earlier) = process.checks.split_last()?;
    earlier.iter().rev().find_map(|check| {
        let held = check.held.iter().find(|held| held.stack == row.stack && !held.path.is_empty())?;
        Some(format!("held at {} by {}", Safe(&check.time), way(process, held)))
    })
}

/// The way to a held block in one line: its root, and the block that points to it.
pub fn way(process: &Process, held: &Held) -> String {
    let first = held.path.first().map(|step| holder(process, step)).unwrap_or_default();
    match held.path.last().filter(|_| held.path.len() > 1) {
        Some(last) if held.path.len() == 2 => format!("{first}, {}", holder(process, last)),
        Some(last) => format!("{first}, … {}", holder(process, last)),
        None => first,
    }
}

/// One place of a pointer.
pub fn holder(process: &Process, step: &Step) -> String {
    let main = |tid| if tid == process.pid { " (main)" } else { "" };
    let thread = || step.tid.map_or("a thread".to_owned(), |tid| format!("thread {tid}{}", main(tid)));
    let frame = step.frame.and_then(|frame| process.frames.get(frame as usize));
    let frame = frame.map(|frame| format!("frame of {}, ", line_of(process, frame))).unwrap_or_default();
    let at = format!("at {:#x}", step.at);
    let what = match step.holder.as_str() {
        "global" => return global(process, step),
        "stack" => return format!("stack of {}, {frame}{at}", thread()),
        "register" => return format!("register of {}", thread()),
        "tls" => return format!("thread-local data of {}, {at}", thread()),
        "signal-stack" => return format!("alternate signal stack of {}, {at}", thread()),
        "mapping" => return format!("mapping of the program's own, {at}"),
        "announced" => return format!("memory announced as a root, {at}"),
        "unknown-heap" => return format!("heap memory of blocks that were never seen, {at}"),
        "loader" => "block of the dynamic loader's",
        "ignored" => "ignored block",
        "stack-block" => "block that a thread has its stack in",
        _ => "block",
    };
    let size = step.block_bytes.map(|size| format!(" of {}", bytes(size))).unwrap_or_default();
    let from = step.stack.and_then(|stack| site::frame(process, stack));
    let from = from.map(|frame| format!(" from {}", line_of(process, frame))).unwrap_or_default();
    format!("{what}{size}{from}, pointer at offset {}", thousands(step.block_offset))
}

fn global(process: &Process, step: &Step) -> String {
    let module = step.module.and_then(|module| process.modules.get(module as usize));
    match (&step.symbol, module) {
        (Some(symbol), Some(module)) => {
            let offset = match step.symbol_offset {
                0 => String::new(),
                offset => format!("+{offset}"),
            };
            format!("global `{}`{offset} in {}", Safe(symbol), Safe(base_name(&module.path)))
        }
        (_, Some(module)) => {
            format!("global at {}+{:#x}", Safe(base_name(&module.path)), step.at.wrapping_sub(module.bias))
        }
        (_, None) => format!("global at {:#x}", step.at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::sample::{self, process};

    fn step(holder: &str, at: u64) -> Step {
        Step {
            holder: holder.into(),
            at,
            module: None,
            symbol: None,
            symbol_offset: 0,
            tid: None,
            frame: None,
            block: None,
            block_bytes: None,
            block_offset: 0,
            stack: None,
        }
    }

    fn profile(cause: &str) -> Profile {
        let process = process(|maker| {
            let stacks = ["plant", "water", "dig"].map(|function| maker.stack(&[function, "main"]));
            let [plant, water, dig] = stacks;
            let global =
                Step { module: Some(0), symbol: Some("garden".into()), symbol_offset: 8, ..step("global", 0x1108) };
            let block = Step {
                block: Some(0x5000),
                block_bytes: Some(1024),
                block_offset: 16,
                stack: Some(water),
                ..step("block", 0x5010)
            };
            let held = |stack, blocks, path| Held {
                retained_bytes: 200,
                address: 0x6000,
                path,
                ..sample::held(stack, blocks, 40 * blocks)
            };
            let leak = sample::leak(dig, Kind::Definite, 1, 8, Sum::default());
            let held = vec![held(plant, 2, vec![global, block]), held(water, 5, Vec::new())];
            let check =
                Check { cause: cause.into(), rung: "alone".into(), leaks: vec![leak], held, ..Check::default() };
            maker.process().checks.push(check);
        });
        Profile { processes: vec![process], ..Profile::without_processes() }
    }

    fn printed(pattern: &str) -> String {
        let mut text = Vec::new();
        let choice = Choice { filter: Some(pattern.into()), ..Choice::default() };
        why(&profile("end"), &choice, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_way_begins_at_its_root() {
        let text = "\
memtrace: app (pid 1234)

80 bytes in 2 blocks are still reachable, 200 bytes with what they alone hold
    at plant (plant.c:7)
    by main (libgarden.so+0x249)
  one of them, of 40 bytes, is held by
    global `garden`+8 in libgarden.so
    block of 1,024 bytes from water (water.c:7), pointer at offset 16
";
        assert_eq!(printed("plant"), text);
    }

    #[test]
    fn ways_that_were_not_kept_and_blocks_that_nothing_holds_are_said() {
        assert!(printed("water").contains("200 bytes in 5 blocks are still reachable\n"));
        assert!(printed("water").ends_with("\n  the way to them was not kept\n"));
        assert!(printed("dig").contains("\n8 bytes in 1 blocks are definitely lost\n    at dig"));
        assert!(printed("dig").ends_with("\n  nothing holds them\n"));
        assert_eq!(printed("no*"), "memtrace: no block of such a stack was live\n");
        assert_eq!(printed("*").matches("\n\n").count(), 3);
    }

    #[test]
    fn a_lost_block_says_what_an_earlier_check_found() {
        let mut process = profile("program").processes.remove(0);
        let row = LeakRow { stack: 0, kind: Kind::Definite, direct: Sum::default(), indirect: Sum::default() };
        assert_eq!(held_before(&process, &row), None, "the one check is the last");
        process.checks[0].time = "2026-01-01T00:00:00.000Z".into();
        process.checks.push(Check::default());
        let expected = "held at 2026-01-01T00:00:00.000Z by global `garden`+8 in libgarden.so, \
                        block of 1,024 bytes from water (water.c:7), pointer at offset 16";
        assert_eq!(held_before(&process, &row).as_deref(), Some(expected));
        assert_eq!(held_before(&process, &LeakRow { stack: 1, ..row }), None, "that way was not kept");
    }

    #[test]
    fn a_root_in_a_stack_names_the_thread_and_the_frame() {
        let process = process(|maker| _ = maker.stack(&["parse", "main"]));
        let root = |tid| super::holder(&process, &Step { tid: Some(tid), frame: Some(0), ..step("stack", 0x10) });
        assert_eq!(root(7), "stack of thread 7, frame of parse (parse.c:7), at 0x10");
        assert_eq!(root(1234), "stack of thread 1234 (main), frame of parse (parse.c:7), at 0x10");
    }

    #[test]
    fn every_root_has_its_words() {
        let process = process(|_| ());
        let of_thread = |holder: &str| super::holder(&process, &Step { tid: Some(7), ..step(holder, 0x10) });
        assert_eq!(of_thread("stack"), "stack of thread 7, at 0x10");
        assert_eq!(of_thread("register"), "register of thread 7");
        assert_eq!(of_thread("tls"), "thread-local data of thread 7, at 0x10");
        assert_eq!(of_thread("global"), "global at 0x10");
        assert_eq!(of_thread("stack-block"), "block that a thread has its stack in, pointer at offset 0");
        let global = Step { module: Some(0), ..step("global", 0x1108) };
        assert_eq!(super::holder(&process, &global), "global at libgarden.so+0x108");
    }
}

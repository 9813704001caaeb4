//! What a reader must know before any number: losses, and circumstances under which numbers mislead.

use crate::profile::Process;
use crate::profile::leaks::Check;
use crate::text::{
    Safe, bytes_in, count, estimates, how, loss, meaning, nothing_recorded, setting_warnings, thousands, unnamed,
};
use crate::views::base_name;
use crate::views::leaks::last_word;

/// Of so many lines the rest is a number.
const LINES_MAX: usize = 20;
/// What CPython takes from its own arenas, which malloc never sees (Objects/obmalloc.c).
const SMALL_BYTES_MAX: u64 = 512;
/// A Python program that allocates from malloc alone has nearly only small blocks.
const SMALL_PART_MIN: f64 = 0.5;

/// One line. A grave one changes what the numbers mean.
pub struct Note {
    /// Numbers are not what they seem.
    pub is_grave: bool,
    /// The sentence.
    pub text: String,
}

/// All about one process.
pub fn of(process: &Process) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut add = |is_grave, text: String| notes.push(Note { is_grave, text });
    if let Some(reason) = nothing_recorded(process) {
        add(true, format!("nothing was recorded: {reason}"));
    }
    estimates(process).into_iter().for_each(|line| add(true, line));
    if hides_small_objects(process) {
        let hint = "a Python interpreter, whose objects of up to 512 bytes lie in arenas of its own and are not seen; \
                    PYTHONMALLOC=malloc shows them";
        add(true, hint.into());
    }
    judged(process, &mut add);
    let library = base_name(&process.allocator);
    if !library.is_empty() && !library.starts_with("libc.so") && !library.starts_with("libc-2.") {
        add(false, format!("memory comes from {}", Safe(library)));
    }
    for (key, &number) in process.losses.iter().take(LINES_MAX) {
        // A fork child does not know its parent's blocks, which changes nothing of what it allocated itself.
        add(key != "inherited", format!("{}: {}", Safe(loss(key)), thousands(number)));
    }
    let others = setting_warnings(process).into_iter().chain(unnamed(process));
    let others: Vec<String> = others.collect();
    others.iter().take(LINES_MAX).for_each(|line| add(false, line.clone()));
    if let Some(more) = others.len().checked_sub(LINES_MAX).filter(|&more| more > 0) {
        add(false, format!("and {}", count(more as u64, "more note")));
    }
    if process.summary.pool_blocks > 0 {
        let live = bytes_in(process.summary.pool_bytes, process.summary.pool_blocks, "block");
        add(false, format!("live in pools, not counted among the live blocks: {live}"));
    }
    notes
}

/// Whether what is live at the end was classified, and how well.
fn judged(process: &Process, add: &mut dyn FnMut(bool, String)) {
    let check = process.checks.last().filter(|check| matches!(check.cause.as_str(), "end" | "death"));
    match check {
        Some(check) => {
            how(check).into_iter().for_each(|line| add(check.rung != "stopped" || !is_whole(check), line));
            check.flags.iter().for_each(|flag| add(flag == "cut", meaning(flag).into()));
            if check.unreadable_bytes > 0 {
                add(true, format!("{} bytes of roots and blocks could not be read", thousands(check.unreadable_bytes)));
            }
        }
        None if process.passive.is_none() && process.summary.live_blocks > 0 => {
            let why = match (process.end.signal, process.end.how.as_str()) {
                (Some(_), _) => "a signal ended it, and `memtrace run --crash` looks at such processes",
                (None, "exec") => "it became another program",
                _ => "no check was made at its end",
            };
            add(true, format!("what is live at the end was not classified: {why}"));
        }
        None => {}
    }
    if last_word(process).is_some() && process.summary.sample_bytes > 0 {
        add(false, "of leaks only the samples are counted: each stands for others that were not recorded".into());
    }
}

fn is_whole(check: &Check) -> bool {
    check.threads == check.threads_stopped
}

/// Whether a process is a Python interpreter that keeps small objects to itself.
fn hides_small_objects(process: &Process) -> bool {
    let names = process.modules.iter().map(|module| base_name(&module.path)).chain([base_name(&process.exe)]);
    let is_python = |name: &str| name.starts_with("python3") || name.starts_with("libpython3");
    if !names.into_iter().any(is_python) {
        return false;
    }
    let (mut all, mut small) = (0u64, 0u64);
    for site in &process.sites {
        all = all.saturating_add(site.total_blocks);
        let is_small = site.total_bytes / site.total_blocks.max(1) <= SMALL_BYTES_MAX;
        small = small.saturating_add(if is_small { site.total_blocks } else { 0 });
    }
    all > 0 && (small as f64) < SMALL_PART_MIN * all as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::sample;

    fn grave(process: &Process) -> Vec<String> {
        of(process).into_iter().filter(|note| note.is_grave).map(|note| note.text).collect()
    }

    #[test]
    fn circumstances_that_mislead_are_grave() {
        let mut process = sample::process(|maker| drop(maker.site(&["plant"], 8, 1, 1).op.clone()));
        assert_eq!(grave(&process), ["what is live at the end was not classified: no check was made at its end"]);
        process.end.signal = Some(9);
        process.summary.sample_bytes = 4096;
        process.losses = [("cut_depth".to_owned(), 3), ("inherited".to_owned(), 1)].into();
        let found = grave(&process);
        assert!(found[0].starts_with("sampled: one allocation in about 4,096 bytes"), "{found:?}");
        assert!(found[1].contains("`memtrace run --crash` looks at such processes"), "{found:?}");
        assert_eq!(found[2], "stacks cut at the most frames that are kept: 3");
        process.passive = Some("own-allocator".into());
        assert!(grave(&process)[0].starts_with("nothing was recorded: it has a malloc of its own"));
    }

    #[test]
    fn a_python_with_arenas_of_its_own_says_so_and_one_without_does_not() {
        let python = |bytes| {
            let mut process = sample::process(|maker| drop(maker.site(&["plant"], bytes, 0, 9).op.clone()));
            process.exe = "/usr/bin/python3.11".into();
            grave(&process).iter().any(|line| line.contains("PYTHONMALLOC"))
        };
        assert!(python(4096) && !python(48));
    }

    #[test]
    fn a_check_says_how_it_was_made() {
        let mut process = sample::process(|_| ());
        let check =
            Check { cause: "end".into(), rung: "waiting".into(), flags: vec!["cut".into()], ..Check::default() };
        process.checks.push(check);
        process.allocator = "/lib/libjemalloc.so.2".into();
        let lines: Vec<String> = of(&process).into_iter().map(|note| note.text).collect();
        assert!(
            lines[0].starts_with("checked without registers") && lines[1].starts_with("more was found"),
            "{lines:?}"
        );
        assert_eq!(lines[2], "memory comes from libjemalloc.so.2");
    }
}

//! The short report: what can be said from inside the target when no command can be started.
//!
//! Sizes, counts, modules with offsets, and the nearest exported name; the recording is left as a file, which
//! `memtrace report` reads with all names.

use memtrace_hot::Hot;
use memtrace_hot::text::Buffer;
use memtrace_hot::unwind::object::LinkMap;
use memtrace_wire::heap::Kind;
use memtrace_wire::layout::{Hindrance, Module, Passive, Site, frame, module_flags};
use memtrace_wire::sys;

use crate::findings::live;
use crate::{Ending, Findings, file};

type Line = Buffer<1024>;

/// Stacks that the short report prints: the largest. The rest is in the recording.
const STACKS_MAX: usize = 20;
/// Frames of each that it prints.
const FRAMES_MAX: usize = 24;
/// How long a full pipe may hold it up.
const PATIENCE_NS: u64 = 2_000_000_000;

/// Prints to where the report would have gone.
pub fn print(ending: &Ending<'_>, findings: &Findings, recording: Option<i32>) {
    let Some(process) = ending.hot.store.process() else { return };
    let own = open_out(ending);
    let Some(fd) = own.or(ending.stderr.filter(|_| ending.settings.out.is_empty())) else { return };
    let mut out = Out { fd, deadline_ns: sys::monotonic_ns().saturating_add(PATIENCE_NS) };
    let mut line = Line::new();
    line.push(b"memtrace: pid ");
    line.push_number(u64::from(process.pid.get()));
    if let Some(reason) = reason(findings.passive) {
        line.push(b": nothing was recorded: ");
        line.push(reason);
        out.line(&mut line);
        if let Some(fd) = own {
            sys::close(fd);
        }
        return;
    }
    line.push(b": the `memtrace` command could not be started; short report");
    out.line(&mut line);
    if process.sample_bytes.get() != 0 {
        line.push(b"sampled: one allocation in about ");
        line.push_count(process.sample_bytes.get(), b"byte");
        line.push(b" was recorded; all numbers are estimates");
        out.line(&mut line);
    }
    if findings.faults != 0 {
        line.push_count(findings.faults, b"allocation");
        line.push(b" made to fail");
        out.line(&mut line);
    }
    if findings.heap != 0 {
        heap_errors(ending.hot, &mut out, &mut line);
    }
    let mut previous = None;
    for _ in 0..STACKS_MAX {
        let Some((number, site)) = next_largest(ending.hot, previous) else { break };
        previous = Some((live(site).1, number));
        stack(ending.hot, site, &mut out, &mut line);
    }
    line.push_count(findings.live_bytes, b"byte");
    line.push(b" in ");
    line.push_count(findings.live_blocks, b"block");
    line.push(b" live at the end, from ");
    line.push_count(findings.sites, b"stack");
    out.line(&mut line);
    if let Some(lost) = findings.lost {
        line.push(b"of these not reachable, or only possibly: ");
        line.push_count(lost.lost_bytes, b"byte");
        line.push(b" in ");
        line.push_count(lost.lost_blocks, b"block");
        out.line(&mut line);
    } else if let Some(why) = hindrance(ending.hot) {
        line.push(b"not classified: ");
        line.push(why);
        out.line(&mut line);
    }
    if let Some(recording) = recording {
        leave_recording(ending, recording, &mut out, &mut line);
    }
    if let Some(fd) = own {
        sys::close(fd);
    }
}

/// What each heap error is, how often, and where it was called.
fn heap_errors(hot: &Hot, out: &mut Out, line: &mut Line) {
    for row in hot.errors.iter(hot).take(STACKS_MAX) {
        let Some(kind) = Kind::from_number(row.kind.get()) else { continue };
        line.push(kind.text().as_bytes());
        line.push(b": ");
        line.push_count(row.count.get(), b"time");
        out.line(line);
        frames(hot, row.node.get(), out, line);
    }
}

fn reason(passive: u32) -> Option<&'static [u8]> {
    match Passive::from_number(passive)? {
        Passive::No => None,
        Passive::Secure => Some(b"the program is set-id"),
        Passive::Sanitizer => Some(b"a sanitizer's runtime is in the process"),
        Passive::Valgrind => Some(b"a valgrind tool replaces malloc"),
        Passive::Excluded => Some(b"MEMTRACE_EXE names other programs"),
        Passive::OwnAllocator => Some(b"the program has a malloc of its own"),
        Passive::NoMemory => Some(b"no memory for the first tables"),
    }
}

/// Why the last check classified nothing.
fn hindrance(hot: &Hot) -> Option<&'static [u8]> {
    let last = hot.store.process()?.check_count.get().checked_sub(1)?;
    Some(match Hindrance::from_number(hot.checks.rows.get(last)?.hindrance.get())? {
        Hindrance::Ptrace => b"ptrace was refused",
        Hindrance::Copy => b"no copy of the process could be made",
        Hindrance::Deadline => b"the deadline passed",
        Hindrance::Memory => b"there was no memory for its tables",
        Hindrance::Broken => b"the copy of the process came to a bad end",
        Hindrance::Sealed => b"the process is behind a filter of system calls",
        Hindrance::Maps => b"the list of its mappings could not be read",
        Hindrance::None | Hindrance::Death => return None,
    })
}

/// The site with the most live bytes behind `previous` in that order.
fn next_largest(hot: &Hot, previous: Option<(u64, u64)>) -> Option<(u64, &'static Site)> {
    let count = hot.store.process()?.site_count.acquire();
    let before =
        |bytes: u64, number: u64| previous.is_none_or(|(last, at)| bytes < last || (bytes == last && number > at));
    (1..count)
        .filter_map(|number| Some((number, hot.sites.get(number)?)))
        .filter(|&(number, site)| live(site).0 != 0 && before(live(site).1, number))
        .max_by_key(|&(number, site)| (live(site).1, core::cmp::Reverse(number)))
}

fn stack(hot: &Hot, site: &Site, out: &mut Out, line: &mut Line) {
    let (blocks, bytes) = live(site);
    line.push_count(bytes, b"byte");
    line.push(b" in ");
    line.push_count(blocks, b"block");
    line.push(b" live at the end");
    out.line(line);
    frames(hot, site.node.get(), out, line);
}

fn frames(hot: &Hot, mut node: u32, out: &mut Out, line: &mut Line) {
    let mut depth = 0;
    while depth < FRAMES_MAX && node != 0 {
        let Some(found) = hot.nodes.get(u64::from(node)) else { break };
        let word = found.frame.get();
        if frame::kind(word) == frame::WITH_PYTHON {
            // The native stack alone is told here.
            node = found.parent.get();
            continue;
        }
        let module = module(hot, word);
        if module.is_none_or(|module| module.flags.get() & module_flags::SHIM == 0) {
            line.push(if depth == 0 { b"    at " } else { b"    by " });
            place(hot, word, module, line);
            out.line(line);
            depth += 1;
        }
        node = found.parent.get();
    }
}

/// The module that a frame lies in.
fn module(hot: &Hot, word: u64) -> Option<&'static Module> {
    let address = frame::address(word);
    let count = hot.store.process().map_or(0, |process| process.module_count.get());
    (0..count).rev().filter_map(|number| hot.modules.get(number)).find(|module| {
        (module.start.get()..module.end.get()).contains(&address)
            && (word & frame::RETIRED != 0) == (module.node_end.get() != 0)
    })
}

fn place(hot: &Hot, word: u64, module: Option<&Module>, line: &mut Line) {
    let address = frame::address(word);
    if frame::kind(word) != frame::NATIVE {
        return line.push(b"... (cut)");
    }
    let Some(module) = module else { return line.push_hex(address) };
    if word & frame::RETIRED == 0
        && let Some(object) = hot.objects.find(address - 1)
        && let Some(map) = LinkMap::at(object.link_map)
        && let Some((name, offset)) = symbols::nearest(map, address - 1)
    {
        line.push(name);
        line.push(b"+");
        line.push_hex(offset + 1);
        line.push(b" in ");
    }
    let path: Buffer<512> = hot.text(&module.path);
    let name = path.as_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or(b"");
    line.push(name);
    line.push(b"+");
    line.push_hex(address.wrapping_sub(module.bias.get()));
}

/// MEMTRACE_OUT, with its letters replaced.
fn open_out(ending: &Ending<'_>) -> Option<i32> {
    if ending.settings.out.is_empty() {
        return None;
    }
    let mut path = Buffer::<4096>::new();
    expand(ending, ending.settings.out, &mut path);
    if let Some(fd) = file::create(path.as_c_str()?) {
        return Some(fd);
    }
    path.push(b".");
    path.push_number(u64::from(sys::pid()));
    file::create(path.as_c_str()?)
}

fn expand(ending: &Ending<'_>, pattern: &[u8], path: &mut Buffer<4096>) {
    let mut bytes = pattern.iter();
    while let Some(&byte) = bytes.next() {
        match (byte, byte == b'%') {
            (_, true) => match bytes.next() {
                Some(b'p') => path.push_number(u64::from(sys::pid())),
                Some(b't') => path.push_number(sys::now_ns() / 1_000_000_000),
                Some(b'e') => program(ending, path),
                _ => path.push(b"%"),
            },
            (byte, false) => path.push(&[byte]),
        }
    }
}

fn program(ending: &Ending<'_>, path: &mut Buffer<4096>) {
    let Some(process) = ending.hot.store.process() else { return };
    let exe: Buffer<1024> = ending.hot.text(&process.exe);
    path.push(exe.as_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or(b"program"));
}

/// Writes the recording to `<program>.<pid>.memtrace` in the working directory.
fn leave_recording(ending: &Ending<'_>, recording: i32, out: &mut Out, line: &mut Line) {
    let mut path = Buffer::<4096>::new();
    program(ending, &mut path);
    path.push(b".");
    path.push_number(u64::from(sys::pid()));
    path.push(b".memtrace");
    let Some(fd) = path.as_c_str().and_then(file::create) else {
        line.push(b"memtrace: the recording could not be written here");
        return out.line(line);
    };
    // The memory file has what a check found, which the target's own tables have not.
    let whole = file::copy(recording, fd);
    sys::close(fd);
    line.push(if whole { b"memtrace: names with: memtrace report " } else { b"memtrace: incomplete: " });
    line.push(path.as_bytes());
    out.line(line);
}

struct Out {
    fd: i32,
    deadline_ns: u64,
}

impl Out {
    /// Prints a line and empties it. Control characters of hostile names become question marks.
    fn line(&mut self, line: &mut Line) {
        let mut safe = Line::new();
        for &byte in line.as_bytes() {
            safe.push(&[if byte < b' ' || byte == 0x7f { b'?' } else { byte }]);
        }
        safe.push(b"\n");
        file::write(self.fd, safe.as_bytes(), self.deadline_ns);
        line.clear();
    }
}

mod symbols {
    //! The nearest exported function below an address, by the module's own symbol table.

    use core::ffi::CStr;
    use memtrace_hot::unwind::object::LinkMap;

    const DT_STRTAB: i64 = 5;
    const DT_SYMTAB: i64 = 6;
    const DT_STRSZ: i64 = 10;

    /// Its name, and how far above it the address is.
    pub fn nearest(map: &'static LinkMap, address: u64) -> Option<(&'static [u8], u64)> {
        let absolute = |value: u64| if value < map.bias { value.wrapping_add(map.bias) } else { value };
        let (symbols, texts) = (absolute(map.dynamic(DT_SYMTAB)?), absolute(map.dynamic(DT_STRTAB)?));
        let text_bytes = map.dynamic(DT_STRSZ)?;
        // Linkers put the string table right behind the symbol table.
        let count = texts.checked_sub(symbols)? / size_of::<libc::Elf64_Sym>() as u64;
        let mut best: Option<(u64, u32)> = None;
        for number in 0..count.min(1 << 20) {
            // SAFETY: between the symbol table and the string table, both of a loaded module.
            let symbol = unsafe { &*(symbols as *const libc::Elf64_Sym).add(number as usize) };
            let start = map.bias.wrapping_add(symbol.st_value);
            let is_function = symbol.st_info & 15 == 2 && symbol.st_shndx != 0;
            if is_function && (start..start.saturating_add(symbol.st_size)).contains(&address) {
                best = best.filter(|&(other, _)| other >= start).or(Some((start, symbol.st_name)));
            }
        }
        let (start, name) = best.filter(|&(_, name)| u64::from(name) < text_bytes)?;
        // SAFETY: inside the string table, which ends in a NUL.
        let name = unsafe { CStr::from_ptr((texts + u64::from(name)) as *const libc::c_char) };
        Some((name.to_bytes(), address - start))
    }
}

//! The start: at the first call of any hook, before or after any constructor.
//!
//! Settings, arguments and the auxiliary vector are read where the kernel put them, above the first stack frame:
//! libc's `environ` is not set yet when the loader itself allocates, and a program may clear it.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};
use memtrace_hot::mode::{PASSIVE, STARTING, UNSTARTED};
use memtrace_hot::store::Source;
use memtrace_hot::text::Buffer;
use memtrace_hot::thread::Thread;
use memtrace_hot::unwind::elf;
use memtrace_hot::unwind::object::link_maps;
use memtrace_wire::layout::{LAUNCHER_SETTINGS_AT, LAUNCHER_SETTINGS_BYTES, Passive, SETTINGS_AT, SETTINGS_BYTES};
use memtrace_wire::live::Spacing;
use memtrace_wire::loss::Loss;
use memtrace_wire::map::{Region, U32, U64};
use memtrace_wire::plan::Plan;
use memtrace_wire::settings;
use memtrace_wire::sys;

use crate::given::{argument_list, auxiliary, environment, stack_end, strings};
use crate::inside::HOT;
use crate::{bundled, end, real, refused, screen, tls};

/// Everything that a fork child needs to begin anew.
struct Origin {
    launcher_pid: U32,
    launcher_fd: U32,
    cookie: U64,
    /// Address of a page that fork wipes; its first word is 1 in the process that opened the recording.
    alive: AtomicU64,
    /// Which files stdout and stderr were at the start.
    outputs: [[U64; 2]; 2],
}

static ORIGIN: Origin = Origin {
    launcher_pid: U32::new(0),
    launcher_fd: U32::new(0),
    cookie: U64::new(0),
    alive: AtomicU64::new(0),
    outputs: [const { [const { U64::new(0) }; 2] }; 2],
};

/// The executable's path, read once: a fork child that has changed its root cannot ask for it.
struct Executable(UnsafeCell<Buffer<4096>>);

// SAFETY: written by `start` before hooks are active, and read only from then on.
unsafe impl Sync for Executable {}

static EXECUTABLE: Executable = Executable(UnsafeCell::new(Buffer::new()));

fn executable() -> &'static [u8] {
    // SAFETY: as above.
    unsafe { &*EXECUTABLE.0.get() }.as_bytes()
}

/// Starts memtrace if this is the first call, and says whether it records.
#[cold]
#[inline(never)]
pub fn once() -> bool {
    if HOT.mode.replace(UNSTARTED, STARTING) {
        // The thread that starts must not wait for itself when a constructor's code calls a hook.
        let mode = if start() { HOT.recording_mode() } else { PASSIVE };
        HOT.mode.publish(mode);
    }
    while HOT.mode.acquire() == STARTING {
        sys::give_way();
    }
    is_recording(HOT.mode.acquire())
}

/// Whether hooks record, in one way or another.
fn is_recording(mode: u32) -> bool {
    !matches!(mode, UNSTARTED | PASSIVE | STARTING)
}

fn start() -> bool {
    HOT.objects.start(real::FIND_OBJECT.get());
    HOT.loaded.own.set(once as *const () as u64);
    // SAFETY: one thread starts, and nobody reads yet.
    memtrace_hot::modules::executable(unsafe { &mut *EXECUTABLE.0.get() });
    HOT.live.spaced(if is_glibc() { Spacing::Apart } else { Spacing::Close });
    let mut reason = passive_reason();
    read_origin();
    // A passive process opens a recording too, to say why it is passive; a set-id one touches nothing.
    if reason == Passive::Secure {
        return false;
    }
    if !open(false) {
        if reason == Passive::No {
            refused();
            end::register();
        }
        return false;
    }
    opened();
    let Some(process) = HOT.store.process() else { return false };
    if matches!(reason, Passive::No | Passive::OwnAllocator) && settings::parse(own_variables()).bundled {
        let outcome = bundled::hook(executable());
        HOT.keep_text(bundled::texts(), &process.bundled);
        if outcome.count > 0 {
            // Their smallest blocks are eight bytes apart.
            HOT.live.spaced(Spacing::Close);
        }
        if reason == Passive::OwnAllocator && outcome.has_program {
            reason = Passive::No;
        }
    }
    process.passive.set(reason as u32);
    if !matches!(reason, Passive::Excluded) {
        end::register();
    }
    if reason != Passive::No {
        return false;
    }
    let settings = settings::parse(own_variables());
    let plan = plan_of(&settings);
    HOT.fault.set(plan);
    screen::begin(&plan);
    process.fault_armed.set(u64::from(plan.fails()));
    HOT.sample.mean.set(settings.sample_bytes.into());
    HOT.sample.marked.set(u32::from(settings.sample_bytes != 0));
    HOT.python.wanted.set(u32::from(settings.python));
    HOT.budget.bytes_max.set(settings.memory_bytes_max);
    HOT.errors.set(&settings.heap);
    HOT.quarantine.bytes_max.set(settings.heap.quarantine_bytes);
    HOT.errors.operators_are_replaced.set(u32::from(crate::operators::are_replaced()));
    process.sample_bytes.set(settings.sample_bytes.into());
    true
}

/// What is to fail in this program.
fn plan_of(settings: &settings::Settings<'static>) -> Plan<'static> {
    if is_program(settings.plan.scope.exe) { settings.plan } else { Plan::NONE }
}

/// Whether a pattern is that of this program's name, or there is none.
fn is_program(pattern: &[u8]) -> bool {
    let name = executable().rsplit(|&byte| byte == b'/').next().unwrap_or(b"");
    pattern.is_empty() || settings::glob(pattern, name)
}

/// Opens the recording and fills in what is known at once.
fn open(forked: bool) -> bool {
    let source = match ORIGIN.launcher_pid.get() {
        0 => Source::Private,
        pid => Source::Launcher { pid, fd: ORIGIN.launcher_fd.get(), cookie: ORIGIN.cookie.get() },
    };
    let opened = HOT.store.open(source) && HOT.start();
    HOT.store.opened();
    let page = if opened { memtrace_hot::map::map(4096) } else { None };
    let Some((page, alive)) = page.and_then(|page| Some((page, page.at::<U64>(0)?))) else {
        HOT.store.lost();
        return false;
    };
    let Some(process) = HOT.store.process() else { return false };
    // `opened` says when everything is in place.
    alive.set(BEGINNING);
    ORIGIN.alive.store(page.base() as u64, Ordering::Release);
    process.pid.set(sys::pid());
    process.ppid.set(sys::parent_pid());
    process.forked.set(u32::from(forked));
    process.start_ns.set(sys::now_ns());
    keep_settings();
    HOT.keep_text(executable(), &process.exe);
    keep_arguments();
    HOT.keep_text(bundled::texts(), &process.bundled);
    if let Some((_, map)) = real::next(c"malloc") {
        HOT.keep_text(map.path().to_bytes(), &process.allocator);
    }
    true
}

/// Nothing can be recorded: a launcher finds that in the header, if there is one; without a launcher the end says it.
fn refused() {
    if let Some(process) = HOT.store.process() {
        process.passive.set(Passive::NoMemory as u32);
        process.pid.set(sys::pid());
        process.ppid.set(sys::parent_pid());
        process.start_ns.set(sys::now_ns());
        HOT.keep_text(executable(), &process.exe);
    }
    if ORIGIN.launcher_pid.get() == 0 {
        refused::begin(strings(environment()));
    }
}

/// In the first word of the page that fork wipes: the recording is this process's own.
const OWN: u64 = 1;
/// A thread of a fork child begins anew; the others wait for it.
const BEGINNING: u64 = 2;

/// The first word of the page that fork wipes.
fn alive() -> Option<&'static U64> {
    let page = ORIGIN.alive.load(Ordering::Acquire);
    // SAFETY: mapped by `open`, never unmapped.
    (page != 0).then(|| unsafe { Region::new(page as *mut u8, 4096) })?.at::<U64>(0)
}

/// Whether this process is the one that opened the recording, and no fork of it.
pub fn is_own_process() -> bool {
    alive().is_some_and(|alive| alive.acquire() == OWN)
}

/// Whether this process is a fork of one that had opened a recording, and nobody has begun anew.
pub fn is_wiped() -> bool {
    alive().is_some_and(|alive| alive.acquire() == 0)
}

/// Everything is in place.
fn opened() {
    if let Some(alive) = alive() {
        alive.publish(OWN);
    }
}

/// The calling thread's state: registers it, and begins anew first in a fork child.
#[cold]
#[inline(never)]
pub fn thread() -> Option<&'static Thread> {
    if tls::is_busy() {
        return None;
    }
    tls::set_busy(true);
    let thread = register();
    tls::set_busy(false);
    thread
}

fn register() -> Option<&'static Thread> {
    while !is_own_process() {
        // A fork child may have several threads by now: one of them begins anew.
        if HOT.mode.acquire() == PASSIVE {
            return None;
        }
        if alive().is_some_and(|alive| !alive.replace(0, BEGINNING)) {
            sys::give_way();
            continue;
        }
        HOT.forget();
        if !open(true) {
            refused();
            HOT.mode.publish(PASSIVE);
            return None;
        }
        HOT.store.lose(Loss::Inherited);
        let armed = HOT.fault.inherit(plan_of(&settings::parse(own_variables())));
        // What memory had taken the place of is the parent's.
        let sample = if HOT.sample.marked.get() != 0 { HOT.sample.mean.get() } else { 0 };
        HOT.sample.mean.set(sample);
        HOT.choose_mode();
        if let Some(process) = HOT.store.process() {
            process.fault_armed.set(u64::from(armed));
            process.sample_bytes.set(sample);
        }
        opened();
    }
    let pointer = tls::pointer();
    let top = if sys::tid() == sys::pid() {
        // The strings of argv and environ follow, so the page is mapped to its end.
        (stack_end() as u64 + 8).next_multiple_of(4096)
    } else {
        pointer
    };
    let thread = HOT.register(pointer, top, tls::get())?;
    tls::set(core::ptr::from_ref(thread).cast_mut());
    Some(thread)
}

fn passive_reason() -> Passive {
    if auxiliary(libc::AT_SECURE).is_some_and(|secure| secure != 0) {
        return Passive::Secure;
    }
    if real::before(c"malloc").is_some() {
        return Passive::OwnAllocator;
    }
    for map in link_maps() {
        let path = map.path().to_bytes();
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        // Callgrind, cachegrind and lackey load only the core, and replace nothing.
        if name.starts_with(b"vgpreload_") && !name.starts_with(b"vgpreload_core") {
            return Passive::Valgrind;
        }
        if [c"__asan_init", c"__tsan_init", c"__lsan_init", c"__hwasan_init", c"__msan_init"]
            .iter()
            .any(|name| elf::function(map, name).is_some())
        {
            return Passive::Sanitizer;
        }
    }
    if is_program(settings::parse(strings(environment())).exe) { Passive::No } else { Passive::Excluded }
}

fn is_glibc() -> bool {
    real::next(c"malloc").is_some_and(|(_, map)| elf::function(map, c"gnu_get_libc_version").is_some())
}

/// `MEMTRACE_RUN=pid:fd:cookie`, as the launcher sets it; and which files stdout and stderr are.
fn read_origin() {
    for ([device, file], fd) in ORIGIN.outputs.iter().zip(1..) {
        let (is_device, is_file, _) = sys::identity(fd).unwrap_or_default();
        device.set(is_device);
        file.set(is_file);
    }
    let Some(value) = strings(environment()).find_map(|text| settings::value_of(text, "MEMTRACE_RUN")) else { return };
    let mut parts = value.splitn(3, |&byte| byte == b':');
    let (Some(pid), Some(fd), Some(cookie)) = (
        parts.next().and_then(settings::number),
        parts.next().and_then(settings::number),
        parts.next().and_then(settings::hexadecimal),
    ) else {
        return;
    };
    ORIGIN.launcher_pid.set(pid as u32);
    ORIGIN.launcher_fd.set(fd as u32);
    ORIGIN.cookie.set(cookie);
}

/// Which files stdout and stderr were at the start: device and inode.
pub fn first_outputs() -> [(u64, u64); 2] {
    ORIGIN.outputs.each_ref().map(|[device, file]| (device.get(), file.get()))
}

/// Copies memtrace's own variables into the root: the program may change its environment. A launcher's come first.
fn keep_settings() {
    let Some(root) = HOT.store.root() else { return };
    let mut at = SETTINGS_AT as usize;
    let end = (SETTINGS_AT + SETTINGS_BYTES) as usize - 8;
    for variable in launcher_variables().chain(strings(environment())) {
        let name = variable.split(|&byte| byte == b'=').next().unwrap_or(variable);
        if !settings::is_setting(name) {
            continue;
        }
        if at + variable.len() + 1 > end {
            HOT.store.lose(Loss::SettingDropped);
            continue;
        }
        // SAFETY: between the settings' start and end in the root's mapping; this thread alone writes here.
        unsafe {
            core::ptr::copy_nonoverlapping(variable.as_ptr(), root.base().add(at), variable.len());
        }
        at += variable.len() + 1;
    }
}

/// memtrace's own variables, from the root.
pub fn own_variables() -> impl Iterator<Item = &'static [u8]> + Clone {
    let text: &'static [u8] = match HOT.store.root() {
        // SAFETY: inside the root's mapping, written once by `keep_settings`.
        Some(root) => unsafe {
            core::slice::from_raw_parts(root.base().add(SETTINGS_AT as usize), SETTINGS_BYTES as usize)
        },
        None => &[],
    };
    variables(text)
}

/// Variables that a launcher has put into its recording.
fn launcher_variables() -> impl Iterator<Item = &'static [u8]> + Clone {
    let text: &'static [u8] = match HOT.store.header().filter(|_| HOT.store.is_shared()) {
        // SAFETY: inside the header's window, which is mapped whole; the launcher wrote it before it started anybody.
        Some(header) => unsafe {
            let window = core::ptr::from_ref(header).cast::<u8>();
            core::slice::from_raw_parts(window.add(LAUNCHER_SETTINGS_AT as usize), LAUNCHER_SETTINGS_BYTES as usize)
        },
        None => &[],
    };
    variables(text)
}

/// The texts of a list of variables, each of which ends with a NUL.
fn variables(text: &'static [u8]) -> impl Iterator<Item = &'static [u8]> + Clone {
    text.split(|&byte| byte == 0).take_while(|variable| !variable.is_empty())
}

/// Bytes of arguments that are kept: what a report shows is one line.
const ARGUMENTS_MAX: usize = 4096;

fn keep_arguments() {
    let Some(process) = HOT.store.process() else { return };
    let mut text = Buffer::<ARGUMENTS_MAX>::new();
    for argument in strings(argument_list()) {
        text.push(argument);
        text.push(&[0]);
    }
    HOT.keep_text(text.as_bytes(), &process.arguments);
}

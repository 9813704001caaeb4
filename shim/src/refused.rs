//! A process without a launcher that was refused the memory for its first tables: nothing is recorded, and its end says so.

use memtrace_hot::text::Buffer;
use memtrace_wire::map::U32;
use memtrace_wire::settings;
use memtrace_wire::sys;

/// The process that has something to say; 0: none.
static PID: U32 = U32::new(0);
/// How long a full pipe may hold it up.
const PATIENCE_NS: u64 = 2_000_000_000;

/// Keeps it in mind, unless nobody wants to read anything, or the text is for a file.
pub fn begin(variables: impl Iterator<Item = &'static [u8]> + Clone) {
    let settings = settings::parse(variables);
    if !settings.quiet && settings.out.is_empty() {
        PID.set(sys::pid());
    }
}

/// Whether this process is the one.
pub fn is_here() -> bool {
    PID.get() != 0 && !sys::is_sealed() && PID.get() == sys::pid()
}

/// Says it, once.
pub fn say(stderr: i32) {
    let mut line = Buffer::<128>::new();
    line.push(b"memtrace: pid ");
    line.push_number(u64::from(PID.swap(0)));
    line.push(b": nothing was recorded: no memory for the first tables\n");
    let mask = memtrace_cold::block_signals();
    memtrace_cold::write(stderr, line.as_bytes(), sys::monotonic_ns().saturating_add(PATIENCE_NS));
    memtrace_cold::restore_signals(mask);
}

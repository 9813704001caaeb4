//! Every setting: one row each. The parser, `--help`, the man page and the README read these rows.

/// What a value looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// `1` or `0`.
    Switch,
    /// A whole number.
    Count,
    /// A whole number or `all`.
    CountOrAll,
    /// A whole number of seconds.
    Seconds,
    /// A whole number of bytes, or of KiB, MiB, GiB with K, M, G behind it.
    Bytes,
    /// A path with `%p` (pid), `%e` (program), `%t` (time, seconds), `%%`; or `none`.
    Pattern,
    /// A pattern for a program's name: `*` and `?`.
    Glob,
    /// A path.
    Path,
    /// `N` or `N,M`: see `MALLOC_FAIL_AFTER`; -1 or nothing: off.
    FailAfter,
    /// A number; `inf` or 0: for ever.
    FailCount,
    /// `n`, `a-b`, separated by commas.
    FailAt,
    /// Names of points, each perhaps with `#` and a number from 1, separated by commas.
    FailStacks,
    /// A decimal number from 0 to 1.
    Chance,
    /// `N`, `N-M` or `N-`: numbers of bytes.
    Sizes,
    /// Functions that allocate, with commas between them, or `all`.
    Ops,
    /// Calls or families of them, with commas between them, or `all`.
    Calls,
    /// Names with commas between them.
    Names,
    /// `main`, a name or a number.
    Thread,
    /// `main`, `start`, `api`, `call:FN` or `marker:NAME`.
    Since,
    /// `call:FN`, `marker:NAME` or a number.
    Until,
    /// `null`, `trap`, `stop` or `abort`.
    Action,
    /// `normal` or `forbid`.
    Aftermath,
    /// `no`, `same` or `all`.
    Children,
    /// Kinds of leaks with commas between them, or `all`.
    Kinds,
    /// A number up to 255.
    Status,
    /// Paths with colons between them.
    Paths,
    /// Heuristics with commas between them, `all` or `none`.
    Heuristics,
    /// `low:N,high:N`; 0: none.
    Tags,
    /// `curl`, `openssl` with commas between them, or `all`.
    Sources,
}

/// One setting.
#[derive(Debug)]
pub struct Row {
    /// Environment variable.
    pub name: &'static str,
    /// What holds when it is not set, as a user would write it.
    pub default: &'static str,
    /// What a value looks like.
    pub shape: Shape,
    /// One sentence.
    pub text: &'static str,
}

const fn row(name: &'static str, default: &'static str, shape: Shape, text: &'static str) -> Row {
    Row { name, default, shape, text }
}

/// All settings.
pub const ROWS: &[Row] = &[
    row(
        "MEMTRACE_QUIET",
        "0",
        Shape::Switch,
        "Print nothing at the end and start no helper; profiles are not written either.",
    ),
    row("MEMTRACE_SUMMARY", "0", Shape::Switch, "Print the summary of a process without findings too."),
    row(
        "MEMTRACE_OUT",
        "",
        Shape::Pattern,
        "File for the report at the end instead of stderr: %p pid, %e program, %t time in seconds; `none`: no report.",
    ),
    row("MEMTRACE_JSON", "", Shape::Pattern, "File for the profile (JSON), named by the same pattern."),
    row(
        "MEMTRACE_TOP",
        "100",
        Shape::CountOrAll,
        "Stacks printed in the report at the end, or `all`; the rest is counted in one line.",
    ),
    row(
        "MEMTRACE_EXE",
        "",
        Shape::Glob,
        "Record only programs with this name (`*` and `?` match); others run untouched.",
    ),
    row(
        "MEMTRACE_CLI",
        "",
        Shape::Path,
        "The `memtrace` command that prints the report, where it is neither beside the library nor in ../bin or ../../bin.",
    ),
    row("MEMTRACE_DEADLINE", "10", Shape::Seconds, "The longest that the report may hold up the end of the target."),
    row(
        "MEMTRACE_LEAKS",
        "1",
        Shape::Switch,
        "Find out at the end which live blocks are lost and which are still held.",
    ),
    row(
        "MEMTRACE_SHOW",
        "definite,possible",
        Shape::Kinds,
        "Kinds of leaks in the report: `definite`, `possible`, `indirect`, `reachable` with commas between, or `all`.",
    ),
    row(
        "MEMTRACE_EXITCODE",
        "0",
        Shape::Status,
        "Status, from 1 to 255, of a process with definite or possible leaks that would end with 0; `0`: its own.",
    ),
    row(
        "MEMTRACE_SUPPRESSIONS",
        "",
        Shape::Paths,
        "Files of leaks that are not reported, in the format of LSan or of valgrind, with colons between them.",
    ),
    row(
        "MEMTRACE_WRAPPERS",
        "",
        Shape::Names,
        "Functions that allocate for others, beside those that memtrace knows (`xmalloc`, `g_malloc`, `operator new`): \
         what calls them names the site. With commas between, `*` and `?` match; `none`: only those named here.",
    ),
    row(
        "MEMTRACE_SOURCES",
        "",
        Shape::Sources,
        "Libraries that say where they allocate, for which libmemtrace_debugmem.so is loaded too: `curl` (its debug \
         builds), `openssl`, with commas between, or `all`.",
    ),
    row(
        "MEMTRACE_HEURISTICS",
        "all",
        Shape::Heuristics,
        "Pointers into a block that count like one to its start: `stdstring`, `length64`, `newarray`, \
         `multipleinheritance` with commas between, `all` or `none`.",
    ),
    row(
        "MEMTRACE_TAGGED",
        "0",
        Shape::Tags,
        "Bits of pointers that may hold a tag: `low:N` (up to 4), `high:N` (up to 16), or both with a comma between.",
    ),
    row(
        "MEMTRACE_PYTHON",
        "1",
        Shape::Switch,
        "Put Python functions into stacks, where CPython 3.11 to 3.14 is in the process and the thread holds its lock.",
    ),
    row(
        "MEMTRACE_BUNDLED",
        "0",
        Shape::Switch,
        "Hook jemalloc and mimalloc where they are linked into the program, by patching their functions in memory.",
    ),
    row(
        "MEMTRACE_SAMPLE",
        "0",
        Shape::Bytes,
        "Record one allocation in about so many bytes, for estimates at hardly any cost; `0`: every one.",
    ),
    row(
        "MEMTRACE_MAX_MEMORY",
        "0",
        Shape::Bytes,
        "Memory that memtrace may take itself: near it stacks become short, then blocks are sampled, then only counted.",
    ),
    row(
        "MEMTRACE_HEAP_ERRORS",
        "1",
        Shape::Switch,
        "Report double frees, frees of what is no block, and frees by a function of another family.",
    ),
    row("MEMTRACE_FATAL", "0", Shape::Switch, "End the process, as by abort, at the first free that is a heap error."),
    row(
        "MEMTRACE_FREE_STACKS",
        "0",
        Shape::Switch,
        "Take the stack of every free, so that heap errors and crashes show where a block was freed.",
    ),
    row(
        "MEMTRACE_QUARANTINE",
        "0",
        Shape::Bytes,
        "Keep so many bytes of freed blocks back, filled with 0xdb, and report writes into them when they leave.",
    ),
    row(
        "MEMTRACE_CANARY",
        "0",
        Shape::Switch,
        "Fill what a block has behind its end, and report writes into that when it is freed.",
    ),
    row(
        "MEMTRACE_ZERO_SIZE",
        "0",
        Shape::Switch,
        "Note allocations of no bytes, and realloc to no bytes, with their stacks.",
    ),
    row(
        "MALLOC_FAIL_AFTER",
        "",
        Shape::FailAfter,
        "N allocations succeed from `main` on, and the next one fails with ENOMEM; `N,M`: the next M fail.",
    ),
    row(
        "MALLOC_FAIL_COUNT",
        "1",
        Shape::FailCount,
        "How many allocations fail after MALLOC_FAIL_AFTER; `inf` or 0: all of them.",
    ),
    row(
        "MALLOC_FAIL_AT",
        "",
        Shape::FailAt,
        "Exactly these allocations fail, counted from 1: `3,10-12`; beats MALLOC_FAIL_AFTER.",
    ),
    row(
        "MALLOC_FAIL_STACK",
        "",
        Shape::FailStacks,
        "The first allocation of a stack fails, which a point of the list names, or the n-th: `ID`, `ID#n`; `ID,ID`: \
         then the next is waited for, and what MALLOC_FAIL_COUNT says fails from the last on. Beats MALLOC_FAIL_AT.",
    ),
    row("MALLOC_FAIL_EVERY", "", Shape::Count, "Each N-th allocation fails."),
    row("MALLOC_FAIL_PROB", "0", Shape::Chance, "Chance of each allocation to fail, from 0 to 1: `0.001`."),
    row(
        "MALLOC_FAIL_SEED",
        "0",
        Shape::Count,
        "Where the random numbers of MALLOC_FAIL_PROB begin: the same number, the same failures in each thread.",
    ),
    row(
        "MALLOC_FAIL_BYTES",
        "",
        Shape::Bytes,
        "Allocations fail that would take the sum of all bytes asked for beyond this number.",
    ),
    row(
        "MALLOC_FAIL_LIVE",
        "",
        Shape::Bytes,
        "Allocations fail that would take the live bytes of the process beyond this number.",
    ),
    row(
        "MALLOC_FAIL_SIZE",
        "",
        Shape::Sizes,
        "Count only allocations of so many bytes: `N`, `N-M`, or `N-` for all from N on.",
    ),
    row(
        "MALLOC_FAIL_OPS",
        "",
        Shape::Ops,
        "Count only these functions: `malloc`, `calloc`, `realloc`, `reallocarray`, `memalign`, `posix_memalign`, `aligned_alloc`, `valloc`, `pvalloc`, `new`, `new[]`, with commas between, or `all`.",
    ),
    row(
        "MALLOC_FAIL_CALLS",
        "",
        Shape::Calls,
        "Count these calls, for which libmemtrace_calls.so is loaded too, and allocations only where MALLOC_FAIL_OPS names them: `files`, `sockets`, `network`, `io`, `pipes`, `threads`, `memory` or functions (`connect`) with commas between, or `all`. A write to stderr never fails.",
    ),
    row(
        "MALLOC_FAIL_CALLER",
        "",
        Shape::Names,
        "Count only what these functions ask for themselves: names with commas between, `*` and `?` match; of C++ `f` or `Class::f`.",
    ),
    row("MALLOC_FAIL_IN", "", Shape::Names, "Count only allocations with one of these functions on their stack."),
    row(
        "MALLOC_FAIL_MODULE",
        "",
        Shape::Names,
        "Count only allocations with code of one of these modules on their stack: names of files, `*` and `?` match.",
    ),
    row(
        "MALLOC_FAIL_FILE",
        "",
        Shape::Names,
        "Count only allocations that a macro of memtrace.h makes in one of these source files: `codec.c`, `src/*.c`, `codec.c:120` with commas between.",
    ),
    row("MALLOC_FAIL_NOT", "", Shape::Names, "Count no allocations with one of these functions on their stack."),
    row(
        "MALLOC_FAIL_THREAD",
        "",
        Shape::Thread,
        "Count only this thread's allocations: `main`, a name (`*` and `?` match), or its number in the order of first allocations.",
    ),
    row(
        "MALLOC_FAIL_SINCE",
        "main",
        Shape::Since,
        "Count from then on: `main`; `start`, of the process; `call:FN`, an allocation with this function on its stack; `marker:NAME` and `api`, which the program gives by memtrace.h.",
    ),
    row(
        "MALLOC_FAIL_UNTIL",
        "",
        Shape::Until,
        "Count until then: `call:FN`, `marker:NAME`, or a number of allocations.",
    ),
    row(
        "MALLOC_FAIL_EXE",
        "",
        Shape::Glob,
        "Fail only in programs with this name (`*` and `?` match), whoever starts them.",
    ),
    row(
        "MALLOC_FAIL_CHILDREN",
        "no",
        Shape::Children,
        "Failures in fork children: `no`, `same` goes on counting, `all` counts from 0.",
    ),
    row(
        "MALLOC_FAIL_ACTION",
        "null",
        Shape::Action,
        "What a failure does before it gives NULL: `null` nothing, `trap` SIGTRAP, `stop` SIGSTOP to the process, so that a debugger can come, `abort` SIGABRT.",
    ),
    row(
        "MALLOC_FAIL_AFTERMATH",
        "normal",
        Shape::Aftermath,
        "`forbid`: count all allocations that are made after the first failure, and report their number.",
    ),
    row(
        "MALLOC_FAIL_POINTS",
        "0",
        Shape::Switch,
        "List every stack that counts in the recording, by a name that holds for every run.",
    ),
    row(
        "MALLOC_FAIL_SCREEN",
        "0",
        Shape::Count,
        "Under a launcher: list them, and let the first allocation of each fail in a copy of the process, which has so many milliseconds (`memtrace sweep --accel snapshot`); `0`: no copies.",
    ),
];

/// Whether the variable is one of ours.
pub fn is_setting(name: &[u8]) -> bool {
    ROWS.iter().any(|row| row.name.as_bytes() == name)
}

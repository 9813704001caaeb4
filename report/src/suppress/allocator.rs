//! The frames that other tools see above the caller of an allocation function: its own.
//!
//! Our stacks begin with the caller. In valgrind the replaced function comes first, and often a second one that it
//! calls; a realloc of nothing is a malloc, and every aligned allocation a memalign. Which of them it shows depends on
//! its version, so a rule may begin with any.

/// One frame, by all the names that a rule can know it under.
pub type Names = &'static [&'static str];

/// Where valgrind's functions lie.
pub const OBJECTS: Names = &[
    "/usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so",
    "/usr/lib/valgrind/vgpreload_memcheck-amd64-linux.so",
    "/usr/lib64/valgrind/vgpreload_memcheck-amd64-linux.so",
];
/// Their source file.
pub const SOURCE: &str = "vg_replace_malloc.c";

/// The frames above the caller, innermost first, in each of the ways in which a rule may begin. The first way is the
/// function's own frame.
pub fn ways(op: &str) -> &'static [&'static [Names]] {
    match op {
        "malloc" => &[&[MALLOC]],
        "calloc" => &[&[CALLOC]],
        "realloc" => &[&[REALLOC], &[MALLOC], &[MALLOC, REALLOC]],
        "reallocarray" => &[
            &[REALLOCARRAY],
            &[REALLOC],
            &[MALLOC],
            &[REALLOC, REALLOCARRAY],
            &[MALLOC, REALLOCARRAY],
            &[MALLOC, REALLOC, REALLOCARRAY],
        ],
        "memalign" => &[&[MEMALIGN]],
        "posix_memalign" => &[&[POSIX_MEMALIGN], &[MEMALIGN], &[MEMALIGN, POSIX_MEMALIGN]],
        "aligned_alloc" => &[&[ALIGNED_ALLOC], &[MEMALIGN], &[MEMALIGN, ALIGNED_ALLOC]],
        "valloc" => &[&[VALLOC], &[MEMALIGN], &[MEMALIGN, VALLOC]],
        "pvalloc" => &[&[PVALLOC], &[MEMALIGN], &[MEMALIGN, PVALLOC]],
        "operator new" => &[&[NEW]],
        "operator new[]" => &[&[NEW_ARRAY]],
        // valgrind takes the stack where the program tells of it.
        "pool" => &[&[]],
        _ => &[&[UNKNOWN]],
    }
}

/// Whether this is the name of such a function.
pub fn is_allocator(function: &str) -> bool {
    [NEW, NEW_ARRAY].into_iter().flatten().any(|name| *name == function)
        || function != "pool" && ways(function) != ways("")
}

/// The lines that a block begins with: they match in every version.
pub fn lines(op: &str) -> &'static [&'static str] {
    match op {
        "malloc" => &["fun:malloc"],
        "calloc" => &["fun:calloc"],
        "realloc" => &["fun:*alloc", "..."],
        "reallocarray" => &["fun:*alloc*", "..."],
        "memalign" => &["fun:memalign"],
        "posix_memalign" | "aligned_alloc" => &["fun:*align*", "..."],
        "valloc" | "pvalloc" => &["fun:*al*", "..."],
        "operator new" => &["fun:_Znwm*"],
        "operator new[]" => &["fun:_Znam*"],
        "pool" => &[],
        _ => &["fun:*"],
    }
}

const MALLOC: Names = &["malloc"];
const CALLOC: Names = &["calloc"];
const REALLOC: Names = &["realloc"];
const REALLOCARRAY: Names = &["reallocarray"];
const MEMALIGN: Names = &["memalign"];
const POSIX_MEMALIGN: Names = &["posix_memalign"];
const ALIGNED_ALLOC: Names = &["aligned_alloc"];
const VALLOC: Names = &["valloc"];
const PVALLOC: Names = &["pvalloc"];
const UNKNOWN: Names = &["???"];
/// A site does not tell the kinds of operator new apart.
const NEW: Names = &[
    "_Znwm",
    "operator new(unsigned long)",
    "_ZnwmRKSt9nothrow_t",
    "operator new(unsigned long, std::nothrow_t const&)",
    "_ZnwmSt11align_val_t",
    "operator new(unsigned long, std::align_val_t)",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "operator new(unsigned long, std::align_val_t, std::nothrow_t const&)",
];
const NEW_ARRAY: Names = &[
    "_Znam",
    "operator new[](unsigned long)",
    "_ZnamRKSt9nothrow_t",
    "operator new[](unsigned long, std::nothrow_t const&)",
    "_ZnamSt11align_val_t",
    "operator new[](unsigned long, std::align_val_t)",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
    "operator new[](unsigned long, std::align_val_t, std::nothrow_t const&)",
];

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_wire::layout::Op;

    #[test]
    fn every_function_of_the_recording_has_its_frame() {
        let ops = Op::all().filter(|op| *op != Op::Unknown && !op.is_call());
        assert!(ops.map(|op| op.name()).all(|op| ways(op)[0][0] != UNKNOWN && lines(op) != ["fun:*"]));
    }
}

/* memtrace.h: what a program can tell memtrace, and ask of it.
 *
 * A program that includes this needs no library: without libmemtrace.so in the process (LD_PRELOAD, `memtrace run`,
 * `memtrace sweep`) every function does nothing and gives 0, and a block or a function that would be run once for each
 * allocation is run once, without a failure.
 *
 *     static int parses(void *text) {                    memtrace_fault_arm(3, 1);   three succeed, the fourth fails
 *         struct tree *tree = parse(text);               tree = parse(text);
 *         if (tree == NULL) return 0;   handled          memtrace_fault_disarm();
 *         free_tree(tree);                               assert(!memtrace_fault_fired() || tree == NULL);
 *         return 0;
 *     }
 *     assert(memtrace_fail_sweep(parses, text) >= 0);    each allocation of parses() fails once
 *
 * C89 and later, C++11 and later, gcc and clang, x86-64 Linux. All functions may be called by any thread. What is armed
 * holds for all threads of the process, and counts what MALLOC_FAIL_* leave in scope.
 */
#ifndef MEMTRACE_H
#define MEMTRACE_H

#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
#include <cstdint>
#include <new>
#endif

#if !defined(__x86_64__) || !defined(__linux__)
#error "memtrace.h: memtrace is for x86-64 Linux"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A function that is in the program under its C name, and under another one for the linker. */
#define MEMTRACE_INLINE_(type, name, arguments) \
    static __inline__ type name arguments __asm__("memtrace_h." #name) __attribute__((__unused__)); \
    static __inline__ type name arguments

/* The library's function, or a null pointer. The address is read where the loader writes it: in programs at a fixed
 * address the linker would otherwise take a weak function that it does not see for one that is not there. */
#define MEMTRACE_FIND_(pointer, name) \
    __asm__(".weak " #name "\n\tmovq " #name "@GOTPCREL(%%rip), %0" : "=r"(pointer))

/* ---- Failures: the fault half ---- */

/* From now on `after` allocations in scope succeed, and the next `count` fail; 0: all that follow. Replaces what was
 * armed before, and sets the two counts below to 0. */
MEMTRACE_INLINE_(void, memtrace_fault_arm, (uint64_t after, uint64_t count)) {
    void (*real)(uint64_t, uint64_t);
    MEMTRACE_FIND_(real, memtrace_fault_arm);
    if (real) real(after, count);
}

/* For memtrace_fault_arm_for: other threads' allocations neither count nor fail. */
#define MEMTRACE_THIS_THREAD 1u

/* The same for fewer allocations. `modules` are patterns for names of files with commas between them ("libssl.so*"; `*` and
 * `?` match): only allocations with code of such a program or library on their stack count; NULL: all. `flags`:
 * MEMTRACE_THIS_THREAD or 0. Gives 1; or 0 where nothing was armed: there is no library, or `modules` is longer than 255
 * bytes. memtrace_fault_disarm ends it. A fork child has nothing armed that was for one thread. */
MEMTRACE_INLINE_(int, memtrace_fault_arm_for,
                 (uint64_t after, uint64_t count, const char *modules, unsigned int flags)) {
    int (*real)(uint64_t, uint64_t, const char *, unsigned int);
    MEMTRACE_FIND_(real, memtrace_fault_arm_for);
    return real ? real(after, count, modules, flags) : 0;
}

/* Nothing fails by memtrace_fault_arm any more. What MALLOC_FAIL_* ask for goes on. The counts stay. */
MEMTRACE_INLINE_(void, memtrace_fault_disarm, (void)) {
    void (*real)(void);
    MEMTRACE_FIND_(real, memtrace_fault_disarm);
    if (real) real();
}

/* Allocations that have failed by memtrace_fault_arm since it was called last. */
MEMTRACE_INLINE_(uint64_t, memtrace_fault_fired, (void)) {
    uint64_t (*real)(void);
    MEMTRACE_FIND_(real, memtrace_fault_fired);
    return real ? real() : 0;
}

/* Allocations in scope while it was armed, failed ones included. */
MEMTRACE_INLINE_(uint64_t, memtrace_fault_seen, (void)) {
    uint64_t (*real)(void);
    MEMTRACE_FIND_(real, memtrace_fault_seen);
    return real ? real() : 0;
}

/* This thread's allocations neither count nor fail until memtrace_fault_resume; the two nest. */
MEMTRACE_INLINE_(void, memtrace_fault_pause, (void)) {
    void (*real)(void);
    MEMTRACE_FIND_(real, memtrace_fault_pause);
    if (real) real();
}

/* See memtrace_fault_pause. */
MEMTRACE_INLINE_(void, memtrace_fault_resume, (void)) {
    void (*real)(void);
    MEMTRACE_FIND_(real, memtrace_fault_resume);
    if (real) real();
}

/* Failures of this thread until memtrace_fault_benign_end are recorded as benign: whatever comes of them is meant to
 * be. The two nest. */
MEMTRACE_INLINE_(void, memtrace_fault_benign_begin, (void)) {
    void (*real)(void);
    MEMTRACE_FIND_(real, memtrace_fault_benign_begin);
    if (real) real();
}

/* See memtrace_fault_benign_begin. */
MEMTRACE_INLINE_(void, memtrace_fault_benign_end, (void)) {
    void (*real)(void);
    MEMTRACE_FIND_(real, memtrace_fault_benign_end);
    if (real) real();
}

/* A place in the program's run: MALLOC_FAIL_SINCE=marker:NAME and MALLOC_FAIL_UNTIL=marker:NAME mean it. */
MEMTRACE_INLINE_(void, memtrace_marker, (const char *name)) {
    void (*real)(const char *);
    MEMTRACE_FIND_(real, memtrace_marker);
    if (real) real(name);
}

/* The name of the stack whose allocation failed last, for MALLOC_FAIL_STACK: 16 hexadecimal digits and a NUL. Gives 16,
 * or 0: none has failed, or the buffer is shorter than 17 bytes; then it is an empty text, if it has any room. */
MEMTRACE_INLINE_(size_t, memtrace_fault_last, (char *buffer, size_t bytes)) {
    size_t (*real)(char *, size_t);
    MEMTRACE_FIND_(real, memtrace_fault_last);
    if (real) return real(buffer, bytes);
    if (bytes > 0) buffer[0] = '\0';
    return 0;
}

/* Whether libmemtrace.so is in the process. */
MEMTRACE_INLINE_(int, memtrace_is_here, (void)) {
    void (*real)(uint64_t, uint64_t);
    MEMTRACE_FIND_(real, memtrace_fault_arm);
    return real ? 1 : 0;
}

/* What memtrace_fail_sweep gives where `run` gives something else than 0 although nothing failed. */
#define MEMTRACE_SWEEP_BROKEN INT64_MIN

/* Calls run(argument) once without a failure, and then again and again: each time one allocation later fails, and
 * `count` in a row from it on (0: all that follow), until a call comes to its end before it fails. `run` gives 0 if all
 * is well, whether it did what it should or has reported that it could not; it leaves everything as it was before.
 *
 * Gives how many allocations have failed in turn, if `run` gave 0 each time. Otherwise it stops there, and gives -1 for
 * the first allocation, -2 for the second and so on; memtrace_fault_last then has the name of its stack. A crash ends
 * the process, as it should: the report has the failure. */
MEMTRACE_INLINE_(int64_t, memtrace_fail_sweep_count, (int (*run)(void *), void *argument, uint64_t count)) {
    int64_t point = 0;
    int status = 0;
    uint64_t fired = 1;
    if (run(argument) != 0) return MEMTRACE_SWEEP_BROKEN;
    if (!memtrace_is_here()) return 0;
    for (;;) {
        memtrace_fault_arm((uint64_t)point, count);
        status = run(argument);
        memtrace_fault_disarm();
        fired = memtrace_fault_fired();
        if (fired == 0) return status == 0 ? point : MEMTRACE_SWEEP_BROKEN;
        if (status != 0) return -1 - point;
        point++;
    }
}

/* The same with one failure in each call. */
MEMTRACE_INLINE_(int64_t, memtrace_fail_sweep, (int (*run)(void *), void *argument)) {
    return memtrace_fail_sweep_count(run, argument, 1);
}

/* For the macros below: whether this thread's block has not run yet. */
static __thread int memtrace_block_ __attribute__((__unused__));

/* The block behind it runs once, with a failure armed:
 *
 *     MEMTRACE_FAILING(2, 1) { tree = parse(text); }
 *
 * It is left by its end: break, return and goto would leave the failure armed. */
#define MEMTRACE_FAILING(after, count) \
    for (memtrace_block_ = 1, memtrace_fault_arm((after), (count)); memtrace_block_; \
         memtrace_block_ = 0, memtrace_fault_disarm())

/* For MEMTRACE_FAIL_EACH: whether the block runs for this point. */
MEMTRACE_INLINE_(int, memtrace_fail_next_, (uint64_t point)) {
    if (point > 0) {
        memtrace_fault_disarm();
        if (!memtrace_is_here() || (point > 1 && memtrace_fault_fired() == 0)) return 0;
        memtrace_fault_arm(point - 1, 1);
    }
    return 1;
}

/* The block behind it runs once without a failure (`point`, a uint64_t, is 0), and then with the first allocation failing
 * (1), the second (2), and so on, until one run comes to its end before it fails:
 *
 *     uint64_t point;
 *     MEMTRACE_FAIL_EACH(point) { tree = parse(text); assert(tree || point); free_tree(tree); }
 */
#define MEMTRACE_FAIL_EACH(point) for ((point) = 0; memtrace_fail_next_(point); (point)++)

/* ---- Leaks ---- */

/* The memory is a root from here on: what it points to is not lost. */
MEMTRACE_INLINE_(void, memtrace_root, (const void *start, size_t bytes)) {
    void (*real)(const void *, size_t);
    MEMTRACE_FIND_(real, memtrace_root);
    if (real) real(start, bytes);
}

/* It no longer is; the arguments are those of memtrace_root. */
MEMTRACE_INLINE_(void, memtrace_unroot, (const void *start, size_t bytes)) {
    void (*real)(const void *, size_t);
    MEMTRACE_FIND_(real, memtrace_unroot);
    if (real) real(start, bytes);
}

/* Checks now: the blocks that are definitely or possibly lost, or held by such ones. -1: nothing could be classified;
 * 0 without the library. */
MEMTRACE_INLINE_(int64_t, memtrace_check_leaks, (void)) {
    int64_t (*real)(void);
    MEMTRACE_FIND_(real, memtrace_check_leaks);
    return real ? real() : 0;
}

#ifdef __cplusplus
} /* extern "C" */

namespace memtrace {

/* A failure is armed as long as this lives. */
class failing {
public:
    explicit failing(std::uint64_t after = 0, std::uint64_t count = 1) noexcept { memtrace_fault_arm(after, count); }
    /* As memtrace_fault_arm_for. */
    failing(std::uint64_t after, std::uint64_t count, const char *modules, unsigned flags = 0) noexcept {
        memtrace_fault_arm_for(after, count, modules, flags);
    }
    ~failing() { memtrace_fault_disarm(); }
    failing(const failing &) = delete;
    failing &operator=(const failing &) = delete;
    /* As memtrace_fault_fired and memtrace_fault_seen. */
    std::uint64_t fired() const noexcept { return memtrace_fault_fired(); }
    std::uint64_t seen() const noexcept { return memtrace_fault_seen(); }
};

/* This thread's allocations neither count nor fail as long as this lives. */
class paused {
public:
    paused() noexcept { memtrace_fault_pause(); }
    ~paused() { memtrace_fault_resume(); }
    paused(const paused &) = delete;
    paused &operator=(const paused &) = delete;
};

/* This thread's failures are benign as long as this lives. */
class benign {
public:
    benign() noexcept { memtrace_fault_benign_begin(); }
    ~benign() { memtrace_fault_benign_end(); }
    benign(const benign &) = delete;
    benign &operator=(const benign &) = delete;
};

#ifdef __EXCEPTIONS
/* As memtrace_fail_sweep, of anything that can be called: each allocation fails once, and std::bad_alloc that comes out
 * of `run` counts as handled. Gives what memtrace_fail_sweep gives; `run` gives nothing, or throws something else. */
template <class Run> std::int64_t fail_sweep(Run &&run) {
    for (std::uint64_t point = 0; memtrace_fail_next_(point); point++) {
        try {
            run();
        } catch (const std::bad_alloc &) {
            if (point == 0) return MEMTRACE_SWEEP_BROKEN;
        } catch (...) {
            memtrace_fault_disarm();
            throw;
        }
    }
    const std::uint64_t seen = memtrace_fault_seen();
    return static_cast<std::int64_t>(seen);
}
#endif

} /* namespace memtrace */
#endif

#endif

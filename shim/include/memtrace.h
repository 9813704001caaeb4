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
#include <stdlib.h>
#include <string.h>
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
/* Of each stack the first allocation alone counts, since it was armed: `after` is a number of stacks, Python functions
 * included, so a loop is one of them. */
#define MEMTRACE_EACH_STACK 2u
/* What would fail is recorded as failed, and made all the same: which it would be. */
#define MEMTRACE_ONLY_RECORD 4u

/* The same for fewer allocations. `modules` are patterns for names of files with commas between them ("libssl.so*"; `*` and
 * `?` match): only allocations with code of such a program or library on their stack count; NULL: all. `flags`: some of the
 * three above with `|` between them, or 0. Gives 1; or 0 where nothing was armed: there is no library, or `modules` is longer
 * than 255 bytes. memtrace_fault_disarm ends it. A fork child has nothing armed that was for one thread. */
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

/* A place in the program's run: MALLOC_FAIL_SINCE=marker:NAME and MALLOC_FAIL_UNTIL=marker:NAME mean it, and the profile
 * says when each thread came by, the first 8,192 times. Of the name 255 bytes count. */
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

/* ---- Source sites: file, line, function and type in the report, of stripped programs too ---- */

/* What happens when there is no memory is the includer's choice, made before this file is included. By itself NULL is
 * given, and the program's checks come alive; with
 *
 *     #define MEMTRACE_ON_OOM MEMTRACE_ON_OOM_CALL(out_of_memory)
 *
 * out_of_memory(bytes, file, line), which is declared before, is called first; it may end the process. */
#define MEMTRACE_ON_OOM_CALL(function) function(bytes, site->file, site->line)
#ifndef MEMTRACE_ON_OOM
#define MEMTRACE_ON_OOM ((void)0)
#endif

/* Where an allocation stands. */
struct memtrace_site {
    const char *file, *function, *type;
    unsigned int line, flags; /* `flags` is 0. */
};

MEMTRACE_INLINE_(struct memtrace_site, memtrace_site_, (const char *file, unsigned int line, const char *function,
                                                        const char *type)) {
    struct memtrace_site site;
    site.file = file;
    site.function = function;
    site.type = type;
    site.line = line;
    site.flags = 0;
    return site;
}

/* The bytes of a product; more than there are, if it overflows. */
MEMTRACE_INLINE_(size_t, memtrace_product_, (size_t count, size_t size)) {
    return count > 0 && size > (size_t)-1 / count ? (size_t)-1 : count * size;
}

/* Under a name of its own, because C89 does not declare it. */
void *memtrace_aligned_alloc_(size_t alignment, size_t bytes) __asm__("aligned_alloc");

#define MEMTRACE_GIVE_(block, asked) \
    do { \
        const size_t bytes = (asked); \
        if (!(block) && bytes > 0) { \
            MEMTRACE_ON_OOM; \
        } \
        return (block); \
    } while (0)

MEMTRACE_INLINE_(void *, memtrace_malloc_at_, (const struct memtrace_site *site, size_t size)) {
    void *(*real)(const struct memtrace_site *, size_t);
    void *block;
    MEMTRACE_FIND_(real, memtrace_source_malloc);
    block = real ? real(site, size) : malloc(size);
    MEMTRACE_GIVE_(block, size);
}

MEMTRACE_INLINE_(void *, memtrace_calloc_at_, (const struct memtrace_site *site, size_t count, size_t size)) {
    void *(*real)(const struct memtrace_site *, size_t, size_t);
    void *block;
    MEMTRACE_FIND_(real, memtrace_source_calloc);
    block = real ? real(site, count, size) : calloc(count, size);
    MEMTRACE_GIVE_(block, memtrace_product_(count, size));
}

MEMTRACE_INLINE_(void *, memtrace_realloc_at_, (const struct memtrace_site *site, void *old, size_t size)) {
    void *(*real)(const struct memtrace_site *, void *, size_t);
    void *block;
    MEMTRACE_FIND_(real, memtrace_source_realloc);
    block = real ? real(site, old, size) : realloc(old, size);
    MEMTRACE_GIVE_(block, size);
}

/* The size is rounded up to a multiple of the alignment, as aligned_alloc(3) wants it. */
MEMTRACE_INLINE_(void *, memtrace_aligned_at_, (const struct memtrace_site *site, size_t size, size_t alignment)) {
    void *(*real)(const struct memtrace_site *, size_t, size_t);
    const size_t over = alignment > 0 ? size % alignment : 0;
    const size_t asked = over == 0 || size > (size_t)-1 - (alignment - over) ? size : size + (alignment - over);
    void *block;
    MEMTRACE_FIND_(real, memtrace_source_aligned);
    block = real ? real(site, alignment, asked) : memtrace_aligned_alloc_(alignment, asked);
    MEMTRACE_GIVE_(block, asked);
}

MEMTRACE_INLINE_(void *, memtrace_zeroed_at_, (const struct memtrace_site *site, size_t count, size_t size)) {
    const size_t bytes = memtrace_product_(count, size);
    void *block = memtrace_aligned_at_(site, bytes, 16);
    return block ? memset(block, 0, bytes) : block;
}

MEMTRACE_INLINE_(char *, memtrace_strdup_at_, (const struct memtrace_site *site, const char *text)) {
    const size_t bytes = text ? strlen(text) + 1 : 0;
    void *copy = text ? memtrace_malloc_at_(site, bytes) : NULL;
    return (char *)(copy ? memcpy(copy, text, bytes) : copy);
}

/* One function for each, so that a macro is an expression, and each argument is evaluated once. */
#define MEMTRACE_PLACE_ const char *file, unsigned int line, const char *function, const char *type
#define MEMTRACE_AT_(name, result, parameters, arguments) \
    MEMTRACE_INLINE_(result, memtrace_##name##_, parameters) { \
        const struct memtrace_site site = memtrace_site_(file, line, function, type); \
        return memtrace_##name##_at_ arguments; \
    }
MEMTRACE_AT_(malloc, void *, (MEMTRACE_PLACE_, size_t size), (&site, size))
MEMTRACE_AT_(calloc, void *, (MEMTRACE_PLACE_, size_t count, size_t size), (&site, count, size))
MEMTRACE_AT_(realloc, void *, (MEMTRACE_PLACE_, void *old, size_t size), (&site, old, size))
MEMTRACE_AT_(aligned, void *, (MEMTRACE_PLACE_, size_t size, size_t alignment), (&site, size, alignment))
MEMTRACE_AT_(zeroed, void *, (MEMTRACE_PLACE_, size_t count, size_t size), (&site, count, size))
MEMTRACE_AT_(strdup, char *, (MEMTRACE_PLACE_, const char *text), (&site, text))
#define MEMTRACE_HERE_(type) __FILE__, __LINE__, __extension__ __FUNCTION__, type
#define MEMTRACE_BLOCK_(block) ((void *)(uintptr_t)(block))

/* `type` is the whole pointer type; sizes are bytes, and products that overflow give NULL. */
#ifndef MEMTRACE_NO_SAFE_MACROS
#define SAFE_MALLOC(size, type) ((type)memtrace_malloc_(MEMTRACE_HERE_(#type), (size_t)(size)))
#define SAFE_CALLOC(count, size, type) \
    ((type)memtrace_calloc_(MEMTRACE_HERE_(#type), (size_t)(count), (size_t)(size)))
#define SAFE_REALLOC(ptr, size, type) \
    ((type)memtrace_realloc_(MEMTRACE_HERE_(#type), MEMTRACE_BLOCK_(ptr), (size_t)(size)))
#define SAFE_MALLOC_ALIGNED(size, alignment, type) \
    ((type)memtrace_aligned_(MEMTRACE_HERE_(#type), (size_t)(size), (size_t)(alignment)))
#define SAFE_MALLOC_SIMD(size, type) SAFE_MALLOC_ALIGNED(size, 16, type)
#define SAFE_CALLOC_SIMD(count, size, type) \
    ((type)memtrace_zeroed_(MEMTRACE_HERE_(#type), (size_t)(count), (size_t)(size)))
/* A NULL source gives NULL. */
#define SAFE_STRDUP(dst, src) ((void)((dst) = memtrace_strdup_(MEMTRACE_HERE_("char *"), (src))))
/* Frees, const or not, and makes the pointer NULL. */
#define SAFE_FREE(ptr) ((void)(free(MEMTRACE_BLOCK_(ptr)), (ptr) = NULL))
/* Without a site, and no leak whoever holds it. */
#define UNTRACKED_MALLOC(size, type) ((type)memtrace_untracked_((size_t)(size)))
#define UNTRACKED_FREE(ptr) SAFE_FREE(ptr)
#endif

MEMTRACE_INLINE_(void *, memtrace_untracked_, (size_t size)) {
    void (*real)(const void *);
    void *block = malloc(size);
    MEMTRACE_FIND_(real, __lsan_ignore_object);
    if (real && block) real(block);
    return block;
}

/* The shapes in which SAFE_MALLOC is written elsewhere: a code base makes its own name one of these, after
 * MEMTRACE_NO_SAFE_MACROS if that is SAFE_MALLOC. Products that overflow give NULL. */
#define MEMTRACE_MALLOC_SIZE(size) memtrace_malloc_(MEMTRACE_HERE_("void *"), (size_t)(size))
#define MEMTRACE_MALLOC_SIZE_CAST(size, type) ((type)memtrace_malloc_(MEMTRACE_HERE_(#type), (size_t)(size)))
#define MEMTRACE_MALLOC_PTR_SIZE(ptr, size) \
    ((void)((ptr) = (__typeof__(ptr))memtrace_malloc_(MEMTRACE_HERE_("void *"), (size_t)(size))))
#define MEMTRACE_MALLOC_PTR_TYPE_COUNT(ptr, type, count) ((void)((ptr) = MEMTRACE_MALLOC_TYPE_COUNT(type, count)))
#define MEMTRACE_MALLOC_TYPE_COUNT(type, count) \
    ((type *)memtrace_malloc_(MEMTRACE_HERE_(#type " *"), memtrace_product_((size_t)(count), sizeof(type))))

/* The block, which exists already, stands at this place: as if it had been allocated there. */
MEMTRACE_INLINE_(void, memtrace_track_, (MEMTRACE_PLACE_, const void *block)) {
    const struct memtrace_site site = memtrace_site_(file, line, function, type);
    void (*real)(const struct memtrace_site *, const void *);
    MEMTRACE_FIND_(real, memtrace_source_track);
    if (real) real(&site, block);
}

/* For code bases whose own macros go through these names: with
 *
 *     #define MEMTRACE_ALLOC_MACROS
 *
 * before this file is included, they stand for whatever backend is there else. The place is that of the macro that uses
 * them; the type is not known. TRACK_ALIGNED_ALLOC tells of a block that aligned_alloc or a relative gave. */
#ifdef MEMTRACE_ALLOC_MACROS
#undef ALLOC_MALLOC
#undef ALLOC_CALLOC
#undef ALLOC_REALLOC
#undef ALLOC_FREE
#undef TRACK_ALIGNED_ALLOC
#define ALLOC_MALLOC(size) memtrace_malloc_(MEMTRACE_HERE_("void *"), (size_t)(size))
#define ALLOC_CALLOC(count, size) memtrace_calloc_(MEMTRACE_HERE_("void *"), (size_t)(count), (size_t)(size))
#define ALLOC_REALLOC(ptr, size) memtrace_realloc_(MEMTRACE_HERE_("void *"), MEMTRACE_BLOCK_(ptr), (size_t)(size))
#define ALLOC_FREE(ptr) free(MEMTRACE_BLOCK_(ptr))
#define TRACK_ALIGNED_ALLOC(ptr, size, file, line) \
    ((void)(size), memtrace_track_((file), (unsigned int)(line), __extension__ __FUNCTION__, "void *", (ptr)))
#endif

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

/* This thread's blocks until memtrace_ignore_end are no leaks, and hold what they point to; the two nest. */
MEMTRACE_INLINE_(void, memtrace_ignore_begin, (void)) {
    void (*real)(void);
    MEMTRACE_FIND_(real, memtrace_ignore_begin);
    if (real) real();
}

/* See memtrace_ignore_begin. */
MEMTRACE_INLINE_(void, memtrace_ignore_end, (void)) {
    void (*real)(void);
    MEMTRACE_FIND_(real, memtrace_ignore_end);
    if (real) real();
}

/* Checks now, and keeps what is lost, for memtrace_leaks_since. Gives an id from 1; 0 if nothing could be classified, or
 * without the library. The latest 16 are kept; a fork child has none. */
MEMTRACE_INLINE_(uint64_t, memtrace_checkpoint, (void)) {
    uint64_t (*real)(void);
    MEMTRACE_FIND_(real, memtrace_checkpoint);
    return real ? real() : 0;
}

/* Checks now: blocks, definitely or possibly lost or held by such ones, beyond those of the same stacks that were lost at the
 * checkpoint; whatever lived then and is lost now counts. -1: nothing could be classified, or there is no such checkpoint;
 * 0 without the library. */
MEMTRACE_INLINE_(int64_t, memtrace_leaks_since, (uint64_t checkpoint)) {
    int64_t (*real)(uint64_t);
    MEMTRACE_FIND_(real, memtrace_leaks_since);
    return real ? real(checkpoint) : 0;
}

/* ---- Queries ---- */

/* Bytes of the live blocks, as they were asked for; those of pools lie in other blocks, and are not added. Exact while no
 * other thread allocates; an estimate where only samples are recorded. 0 without the library. It takes time with the
 * number of stacks. */
MEMTRACE_INLINE_(uint64_t, memtrace_live_bytes, (void)) {
    uint64_t (*real)(void);
    MEMTRACE_FIND_(real, memtrace_live_bytes);
    return real ? real() : 0;
}

/* The live blocks; as memtrace_live_bytes. */
MEMTRACE_INLINE_(uint64_t, memtrace_live_blocks, (void)) {
    uint64_t (*real)(void);
    MEMTRACE_FIND_(real, memtrace_live_blocks);
    return real ? real() : 0;
}

/* Writes to this descriptor what would be reported if the process ended here, and waits for it, MEMTRACE_DEADLINE seconds
 * at most. Gives 0; or -1: the descriptor is not open, there is no `memtrace` command beside the library (then a short
 * report is written), or no library. */
MEMTRACE_INLINE_(int, memtrace_report, (int fd)) {
    int (*real)(int);
    MEMTRACE_FIND_(real, memtrace_report);
    return real ? real(fd) : -1;
}

/* The same as a profile (JSON), which `memtrace report` reads; without a command nothing is written. */
MEMTRACE_INLINE_(int, memtrace_profile, (int fd)) {
    int (*real)(int);
    MEMTRACE_FIND_(real, memtrace_profile);
    return real ? real(fd) : -1;
}

/* As memtrace_checkpoint, and the recording itself is written to this descriptor, a regular or memory file, which is emptied
 * first: what `memtrace report` reads, without names, so it takes a fraction of the time of a profile. Gives the id; or 0. */
MEMTRACE_INLINE_(uint64_t, memtrace_recording, (int fd)) {
    uint64_t (*real)(int);
    MEMTRACE_FIND_(real, memtrace_recording);
    return real ? real(fd) : 0;
}

/* For memtrace_profile_since: of what is new, what is lost alone. */
#define MEMTRACE_LOST 1u

/* Writes to this descriptor a profile (JSON) of what has come since memtrace_recording wrote to the file `recording`; -1:
 * of all. Sites have the blocks by which they have grown, the check those that are lost beyond what was lost then, and only
 * they are named. `flags`: MEMTRACE_LOST or 0. Gives 0 or -1, as memtrace_profile does. */
MEMTRACE_INLINE_(int, memtrace_profile_since, (int fd, int recording, unsigned int flags)) {
    int (*real)(int, int, unsigned int);
    MEMTRACE_FIND_(real, memtrace_profile_since);
    return real ? real(fd, recording, flags) : -1;
}

/* ---- Regions ---- */

/* What this thread allocates until memtrace_region_end stands in a region of this name in reports: above the stack, and as
 * a group of `memtrace report --by region`. Regions nest; of 16 at once the names are kept, and of a name 255 bytes. A new
 * thread, and a fork child, begins in none. While any thread is in a region, allocations of all take longer. The first 4,096
 * times in a region have their place on the axis of time, too. */
MEMTRACE_INLINE_(void, memtrace_region_begin, (const char *name)) {
    void (*real)(const char *);
    MEMTRACE_FIND_(real, memtrace_region_begin);
    if (real) real(name);
}

/* The innermost region of this thread ends; nothing, if it is in none. */
MEMTRACE_INLINE_(void, memtrace_region_end, (void)) {
    void (*real)(void);
    MEMTRACE_FIND_(real, memtrace_region_end);
    if (real) real();
}

/* ---- Pools ---- */

/* Blocks that a program gives from pools or arenas of its own are seen by memtrace only if it says so: then each is a block
 * with a stack of its own, and a leak if nothing points to it. `pool` is any address that stands for the pool; NULL is
 * none. The rest of the memory that a block lies in stays what it was. Sizes are bytes. A block that is given again needs
 * no memtrace_pool_free in between; one that is freed without having been given is no error.
 *
 * A pool that goes, or is emptied, has to say so by memtrace_pool_destroy before its memory is freed; it takes time with all
 * blocks that are announced. Pools in blocks of pools are not told apart: the outer block counts. Where only samples are
 * recorded (MEMTRACE_SAMPLE) there are no blocks of pools. */
MEMTRACE_INLINE_(void, memtrace_pool_alloc, (const void *pool, const void *block, size_t size)) {
    void (*real)(const void *, const void *, size_t);
    MEMTRACE_FIND_(real, memtrace_pool_alloc);
    if (real) real(pool, block, size);
}

/* The block went back to its pool. */
MEMTRACE_INLINE_(void, memtrace_pool_free, (const void *pool, const void *block)) {
    void (*real)(const void *, const void *);
    MEMTRACE_FIND_(real, memtrace_pool_free);
    if (real) real(pool, block);
}

/* So did all of its blocks. */
MEMTRACE_INLINE_(void, memtrace_pool_destroy, (const void *pool)) {
    void (*real)(const void *);
    MEMTRACE_FIND_(real, memtrace_pool_destroy);
    if (real) real(pool);
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

/* What this thread allocates stands in a region of this name as long as this lives. */
class region {
public:
    explicit region(const char *name) noexcept { memtrace_region_begin(name); }
    ~region() { memtrace_region_end(); }
    region(const region &) = delete;
    region &operator=(const region &) = delete;
};

/* What this thread allocates is no leak as long as this lives. */
class ignored {
public:
    ignored() noexcept { memtrace_ignore_begin(); }
    ~ignored() { memtrace_ignore_end(); }
    ignored(const ignored &) = delete;
    ignored &operator=(const ignored &) = delete;
};

/* A checkpoint, from when it is made. */
class checkpoint {
    std::uint64_t id_;

public:
    checkpoint() noexcept : id_(memtrace_checkpoint()) {}
    /* As memtrace_leaks_since. */
    std::int64_t leaks() const noexcept { return memtrace_leaks_since(id_); }
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

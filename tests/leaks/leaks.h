// What the programs of this folder share: blocks whose address stands nowhere but where the program puts it.
//
// An address that lingers in a dead slot or in a register would hold a block that is lost. So addresses travel
// hidden (all bits turned), only `put` reveals them, and `clobber` overwrites what the calls before it left below.
//
// Blocks are known by their sizes. A size leaves 9 to 16 in its last 16 bytes, so that with glibc's malloc the
// header of the next chunk lies outside the block: pointers of the allocator's own do not point into it.
#ifndef MEMTRACE_LEAKS_H
#define MEMTRACE_LEAKS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The block that a program holds, and the one that it loses.
enum { HELD = 2012, LOST = 1004 };

// An address with all its bits turned.
typedef uintptr_t hidden;

#define UNUSED __attribute__((unused))
#define APART __attribute__((noinline, unused))
#define WIPE() \
    __asm__ volatile("xor %%eax, %%eax; xor %%ecx, %%ecx; xor %%edx, %%edx; xor %%esi, %%esi; xor %%edi, %%edi\n\t" \
                     "xor %%r8d, %%r8d; xor %%r9d, %%r9d; xor %%r10d, %%r10d; xor %%r11d, %%r11d" \
                     ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "memory")
#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            _exit(99); \
        } \
    } while (0)

// For the way back, inside functions that are APART.
static UNUSED inline void *reveal(hidden address) {
    return (void *)~address;
}

static UNUSED inline hidden hide(const volatile void *address) {
    return ~(uintptr_t)address;
}

// Overwrites the 64 KiB below the caller's frame, and the registers that a call may change.
static __attribute__((naked, noinline, unused)) void clobber(void) {
    __asm__("sub $65536, %rsp; mov %rsp, %rdi; mov $8192, %ecx; xor %eax, %eax; cld; rep stosq; add $65536, %rsp\n\t"
            "xor %edx, %edx; xor %esi, %esi; xor %edi, %edi\n\t"
            "xor %r8d, %r8d; xor %r9d, %r9d; xor %r10d, %r10d; xor %r11d, %r11d; ret");
}

// Hides the address of a new block, and fills the block with zeroes.
static APART hidden hide_new(void *block, size_t bytes) {
    CHECK(block != NULL);
    memset(block, 0, bytes);
    hidden address = hide(block);
    WIPE();
    return address;
}

// A new block of so many bytes, all zero.
static APART hidden take(size_t bytes) {
    hidden address = hide_new(malloc(bytes), bytes);
    WIPE();
    return address;
}

// Stores the address itself in `slot`.
static APART void put(volatile void *slot, hidden address) {
    *(void *volatile *)slot = reveal(address);
    WIPE();
}

// Stores the address of one block in another, so many bytes behind its start.
static APART void put_in(hidden block, size_t offset, hidden address) {
    put((char *)reveal(block) + offset, address);
    WIPE();
}

// An address inside the block.
static UNUSED inline hidden inside(hidden block, size_t offset) {
    return block - offset;
}

// A block that nothing holds.
static APART void lose(size_t bytes) {
    (void)take(bytes);
    clobber();
}

// Frees a block and forgets it: a pointer that dangles would hold the next block at that address.
static APART void drop(void *volatile *slot) {
    void *block = *slot;
    *slot = NULL;
    free(block);
    WIPE();
}

// Who waits in vain is ended: a program here never hangs.
static __attribute__((constructor, unused)) void end_in_time(void) {
    alarm(50);
}

#endif

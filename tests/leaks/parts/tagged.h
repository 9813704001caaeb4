// Pointers with tags in their low or high bits, in a global and in a block.
#ifndef MEMTRACE_LEAKS_TAGGED_H
#define MEMTRACE_LEAKS_TAGGED_H
#include "../leaks.h"

static void *volatile root, *volatile plain;

// root, tagged → 2012, in which a tagged pointer → 60. `plain` → 3004 without a tag.
static UNUSED void make(uintptr_t tag) {
    hidden block = take(HELD);
    put_in(block, 160, take(60) ^ tag);
    put(&root, block ^ tag);
    put(&plain, take(3004));
    clobber();
}

#endif

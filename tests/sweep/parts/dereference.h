// A use of a block without a look at it.
#ifndef MEMTRACE_SWEEP_DEREFERENCE_H
#define MEMTRACE_SWEEP_DEREFERENCE_H
#include "say.h"

static APART char *make_block(size_t size) {
    return malloc(size);
}

static APART void careless(void) {
    char *block = make_block(100);
    *(volatile char *)(block + 8) = 1;
    free(block);
}

#endif

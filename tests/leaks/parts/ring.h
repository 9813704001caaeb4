// Blocks in a ring.
#ifndef MEMTRACE_LEAKS_RING_H
#define MEMTRACE_LEAKS_RING_H
#include "../leaks.h"

// Each points to the next by its second word. Gives the first that was made.
static APART hidden ring(size_t bytes, int blocks) {
    hidden first = take(bytes), last = first;
    for (int i = 1; i < blocks; i++) {
        hidden next = take(bytes);
        put_in(last, 8, next);
        last = next;
    }
    put_in(last, 8, first);
    return first;
}

#endif

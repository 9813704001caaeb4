// Recursion 200 deep is kept whole.
// env: MEMTRACE_SHOW=reachable
// expect: 55 bytes in 1 blocks are still reachable
// expect: at descend (deep.c:
// expect: by descend (deep.c:
// expect: by main (deep.c:
// expect: losses: none
// flags: -O1 -fno-optimize-sibling-calls
#include <stdlib.h>

static void *volatile kept;

static __attribute__((noinline)) int descend(volatile int depth) {
    if (depth == 0) {
        kept = malloc(55);
        return 0;
    }
    return descend(depth - 1) + 1;
}

int main(void) {
    return descend(199) - 199;
}

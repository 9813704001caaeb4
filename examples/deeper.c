// Recursion deeper than the frames that are kept (1,024): the stack says where it was cut, and so does the summary.
// env: MEMTRACE_SHOW=reachable
// expect: 55 bytes in 1 blocks are still reachable
// expect: at descend (deeper.c:
// expect: [cut:
// expect: stacks cut at the most frames that are kept: 1
// expect-not: by main (deeper.c:
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
    return descend(5000) - 5000;
}

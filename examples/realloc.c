// One buffer grows by realloc: each step takes the old block out and puts the new one in.
// report: --sort total
// expect: 1,984 bytes in 5 allocations, 1 live at the end
// expect: at grow (realloc.c:
// expect: by main (realloc.c:
// expect: 3 bytes in 1 allocation, 0 live at the end
// expect: at refuse (realloc.c:
// expect: allocations: 6 (1,987 bytes)
// expect: frees: 5 (994 bytes)
// expect: live at the end: 993 bytes in 1 block from 1 stack
// expect: failed allocations: 1
#include <stdint.h>
#include <stdlib.h>

static __attribute__((noinline)) void *grow(void *buffer, size_t bytes) {
    void *grown = realloc(buffer, bytes);
    return grown;
}

// The old block stays, and stays recorded.
static __attribute__((noinline)) void *refuse(void) {
    char *block = malloc(3);
    if (realloc(block, PTRDIFF_MAX) != NULL) {
        abort();
    }
    return block;
}

int main(void) {
    static const size_t steps[] = {1, 30, 300, 660, 993};
    void *buffer = NULL;
    for (volatile int i = 0; i < 5; i++) {
        buffer = grow(buffer, steps[i]);
    }
    free(refuse());
    return 0;
}

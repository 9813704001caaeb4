// Blocks that are freed by the very next call are temporary; those that live longer are not.
// report: --sort temporary
// expect: 50 temporary of 50 allocations
// expect: at briefly (temporary.c:
// expect-not: at longer
#include <stdlib.h>

static __attribute__((noinline)) void *briefly(void) {
    void *volatile block = malloc(10);
    return block;
}

static __attribute__((noinline)) void *longer(void) {
    void *volatile block = malloc(20);
    return block;
}

int main(void) {
    for (volatile int i = 0; i < 50; i++) {
        free(briefly());
    }
    for (volatile int i = 0; i < 50; i++) {
        void *first = longer();
        void *second = longer();
        free(first);
        free(second);
    }
    return 0;
}

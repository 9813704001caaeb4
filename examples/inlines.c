// The functions between main and malloc are inlined, and the code keeps no frame pointers: the report names all.
// flags: -O3 -fomit-frame-pointer
// expect: 840 bytes in 1 blocks are definitely lost
// expect: at innermost (inlines.c:
// expect: by middle (inlines.c:
// expect: by outermost (inlines.c:
// expect: by main (inlines.c:
#include <stdlib.h>

static inline __attribute__((always_inline)) void *innermost(size_t count) {
    return malloc(count * 8);
}

static inline __attribute__((always_inline)) void *middle(size_t count) {
    return innermost(count + 5);
}

static __attribute__((noinline)) void outermost(void *volatile *into, size_t count) {
    *into = middle(count);
}

int main(void) {
    void *volatile block;
    outermost(&block, 100);
    return 0;
}

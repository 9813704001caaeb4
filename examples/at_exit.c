// What handlers and destructors free at the very end is no leak, what they lose is one.
// expect: 64 bytes in 1 blocks are definitely lost
// expect: at destructor (at_exit.c:
// expect: live at the end: 64 bytes in 1 block from 1 stack
#include <stdlib.h>

static void *block;
static void *volatile kept;

static void last(void) {
    free(block);
    kept = malloc(64);
}

static __attribute__((destructor)) void destructor(void) {
    free(kept);
    kept = malloc(64);
    kept = NULL;
}

int main(void) {
    atexit(last);
    block = malloc(1000);
    return 0;
}

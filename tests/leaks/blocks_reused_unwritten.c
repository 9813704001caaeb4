// A freed block's memory is used again, and not written: the pointer that still stands there holds. Which bytes of
// a block were ever written is not known; Memcheck knows.
// expect 3004: reachable
// expect 1004: reachable
// valgrind: differs: it sees that the bytes were not written since
// valgrind 1004: definite
#include "leaks.h"

static void *volatile root, *volatile freed;

static APART void take_again(void) {
    root = malloc(3004);
    CHECK(root != NULL);
}

int main(void) {
    put(&freed, take(3004));
    put_in(hide(freed), 1600, take(LOST));
    drop(&freed);
    take_again();
    clobber();
    return 0;
}

// The check comes after the last handler and destructor: what these free is no leak, what they lose is one.
// expect 2012: reachable
// expect 1004: definite
// expect 3004: none
// expect 4012: none
// expect 1020: definite
// expect 1036: definite
// valgrind: same
#include "leaks.h"

static void *volatile root;

static APART void hold_and_lose(void) {
    put(&root, take(HELD));
    lose(LOST);
}
static void *volatile freed_by_handler, *volatile freed_by_destructor;

static void handle(void) {
    drop(&freed_by_handler);
    lose(1020);
}

static __attribute__((destructor)) void destroy(void) {
    drop(&freed_by_destructor);
    lose(1036);
}

int main(void) {
    CHECK(atexit(handle) == 0);
    hold_and_lose();
    put(&freed_by_handler, take(3004));
    put(&freed_by_destructor, take(4012));
    clobber();
    return 0;
}

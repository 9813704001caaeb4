// The end by quick_exit: what its handlers free is no leak.
// expect 2012: reachable
// expect 1004: definite
// expect 3004: reachable
// expect 5004: none
// valgrind: same
#include "leaks.h"

static void *volatile root;

static APART void hold_and_lose(void) {
    put(&root, take(HELD));
    lose(LOST);
}
static void *volatile freed;

static void handle(void) {
    drop(&freed);
}

int main(void) {
    void *volatile locals[8] = {0};
    hold_and_lose();
    put(&locals[3], take(3004));
    put(&freed, take(5004));
    CHECK(at_quick_exit(handle) == 0);
    clobber();
    quick_exit(locals[0] != NULL);
}

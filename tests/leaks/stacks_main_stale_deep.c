// 2,000 slots of a recursion that has returned do not hold either.
// expect 60: definite 2000
// expect 2012: reachable
// valgrind: same
#include "leaks.h"

static void *volatile held;

static APART int recurse(int depth) {
    void *volatile local[64] = {0};
    put(&local[32], take(60));
    return depth > 1 ? recurse(depth - 1) + (local[0] == NULL) : 0;
}

// Below the part of the stack that exit's own calls use.
static APART int deep_down(void) {
    volatile char room[65536];
    room[0] = 0;
    return recurse(2000) + room[0];
}

int main(void) {
    put(&held, take(HELD));
    CHECK(deep_down() == 1999);
    exit(0);
}

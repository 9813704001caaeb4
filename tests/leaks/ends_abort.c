// The end by abort.
// expect 2012: reachable
// expect 1004: definite
// expect 3004: reachable
// exit: SIGABRT
// valgrind: same
#include "leaks.h"

static void *volatile root;

static APART void hold_and_lose(void) {
    put(&root, take(HELD));
    lose(LOST);
}

int main(void) {
    void *volatile locals[8] = {0};
    hold_and_lose();
    put(&locals[3], take(3004));
    clobber();
    abort();
    return locals[0] != NULL;
}

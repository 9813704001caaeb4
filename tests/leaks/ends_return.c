// The end by the return of main: locals of main hold no more.
// expect 2012: reachable
// expect 1004: definite
// expect 3004: definite
// valgrind: same
#include "leaks.h"

static void *volatile root;

static APART void hold_and_lose(void) {
    put(&root, take(HELD));
    lose(LOST);
}

int main(void) {
    // Far below what the calls of the end use.
    void *volatile locals[4096] = {0};
    hold_and_lose();
    put(&locals[32], take(3004));
    clobber();
    return locals[0] != NULL;
}

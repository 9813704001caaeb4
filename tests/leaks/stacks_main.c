// The main thread's stack holds from its stack pointer on: locals of functions that have not returned.
// expect 2012: reachable 2
// expect 1004: definite
// valgrind: same
#include "leaks.h"

static APART void go_on(int depth) {
    void *volatile locals[8] = {0};
    put(&locals[3], take(HELD));
    if (depth > 0) {
        go_on(depth - 1);
    }
    lose(LOST);
    exit(0);
}

int main(void) {
    go_on(1);
    return 0;
}

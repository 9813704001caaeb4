// The stack of a thread that is blocked in read() holds.
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"

static void *body(void *nothing) {
    void *volatile locals[8] = {0};
    put(&locals[2], take(HELD));
    put(&locals[3], take(LOST));
    locals[3] = NULL;
    clobber();
    is_ready = 1;
    int ends[2];
    char byte;
    CHECK(pipe(ends) == 0);
    CHECK(read(ends[0], &byte, 1) == 1);
    return (void *)locals[2];
}

int main(void) {
    start(body);
    wait_until_ready();
    clobber();
    return 0;
}

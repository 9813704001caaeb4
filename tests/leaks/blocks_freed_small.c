// The same for a block so small that libc's thread cache keeps it, in the main thread and in another one, whose heap
// is a mapping of its own.
// expect 1004: definite
// expect 1020: definite
// expect 2012: reachable 2
// flags: -pthread
// valgrind: same
#include "parts/threads.h"

static void *volatile roots[2], *volatile freed[2];

static APART void free_holder_of(int number, hidden address) {
    put(&freed[number], take(156));
    put_in(hide(freed[number]), 64, address);
    drop(&freed[number]);
    clobber();
}

static void *body(void *nothing) {
    put(&roots[1], take(HELD));
    free_holder_of(1, take(1020));
    is_ready = 1;
    for (;;) {
        pause();
    }
    return NULL;
}

int main(void) {
    put(&roots[0], take(HELD));
    free_holder_of(0, take(LOST));
    start(body);
    wait_until_ready();
    clobber();
    return 0;
}

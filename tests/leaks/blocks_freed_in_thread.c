// A freed block in the heap of another thread, larger than what the thread cache keeps, holds nothing either,
// whether the thread lives or not.
// expect 1004: definite
// expect 1020: definite
// expect 2012: reachable 2
// flags: -pthread
// valgrind: same
#include "parts/threads.h"

static void *volatile roots[2], *volatile freed[2];

static APART void free_holder_of(int number, hidden address) {
    put(&freed[number], take(3004));
    put_in(hide(freed[number]), 1600, address);
    put(&roots[number], take(HELD));
    drop(&freed[number]);
    clobber();
}

static void *ending(void *nothing) {
    free_holder_of(0, take(LOST));
    return NULL;
}

static void *living(void *nothing) {
    free_holder_of(1, take(1020));
    is_ready = 1;
    for (;;) {
        pause();
    }
    return NULL;
}

int main(void) {
    CHECK(pthread_join(start(ending), NULL) == 0);
    start(living);
    wait_until_ready();
    clobber();
    return 0;
}

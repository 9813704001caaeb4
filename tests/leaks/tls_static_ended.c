// Thread-local variables of a thread that has ended hold nothing.
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: differs: the memory, which libc keeps for the next thread, stays readable
// valgrind 1004: reachable
#include "parts/threads.h"

static __thread void *volatile held;
static hidden lost;

static void *body(void *nothing) {
    put(&held, lost);
    return NULL;
}

int main(void) {
    put(&held, take(HELD));
    lost = take(LOST);
    CHECK(pthread_join(start(body), NULL) == 0);
    clobber();
    return 0;
}

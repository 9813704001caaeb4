// Thread-specific data of another thread holds while it lives, that of a thread that has ended does not.
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// expect 1020: definite
// flags: -pthread
// valgrind: same
#include "parts/keys.h"

static void *living(void *nothing) {
    set(3, take(HELD));
    set(150, take(3004));
    is_ready = 1;
    for (;;) {
        pause();
    }
    return NULL;
}

static void *ending(void *nothing) {
    set(4, take(LOST));
    set(151, take(1020));
    return NULL;
}

int main(void) {
    make_keys();
    CHECK(pthread_join(start(ending), NULL) == 0);
    start(living);
    wait_until_ready();
    clobber();
    return 0;
}

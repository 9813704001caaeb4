// A thread that is ending, blocked in a destructor of its thread-specific data, still holds by its stack.
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"

static hidden held;

static void destroy(void *value) {
    void *volatile locals[8] = {0};
    put(&locals[2], held);
    clobber();
    is_ready = 1;
    for (;;) {
        pause();
    }
}

static void *body(void *nothing) {
    pthread_key_t key;
    CHECK(pthread_key_create(&key, destroy) == 0);
    CHECK(pthread_setspecific(key, &held) == 0);
    return NULL;
}

int main(void) {
    held = take(HELD);
    start(body);
    wait_until_ready();
    lose(LOST);
    return 0;
}

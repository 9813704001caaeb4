// A thread whose stack the program made from a block: the block is held while the thread lives, and what lies on it.
// expect 400012: reachable
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"

static hidden held;

static void *body(void *nothing) {
    void *volatile locals[8] = {0};
    put(&locals[2], held);
    clobber();
    is_ready = 1;
    for (;;) {
        pause();
    }
    return (void *)locals[2];
}

static APART void start_on(hidden stack, size_t bytes) {
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstack(&attributes, reveal(stack), bytes) == 0);
    CHECK(pthread_create(&thread, &attributes, body, NULL) == 0);
    CHECK(pthread_attr_destroy(&attributes) == 0);
}

int main(void) {
    held = take(HELD);
    start_on(take(400012), 400000);
    clobber();
    wait_until_ready();
    lose(LOST);
    return 0;
}

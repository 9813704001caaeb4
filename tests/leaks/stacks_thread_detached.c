// The same for a thread that was detached and has ended: its stack is no root any more.
// expect 1004: definite
// expect 1020: definite
// flags: -pthread
// valgrind: differs: the argument stays readable in the control block of the thread
// valgrind 1020: reachable
#include "parts/threads.h"

static hidden lost;

static void *body(void *argument) {
    void *volatile locals[256];
    for (int i = 0; i < 256; i++) {
        locals[i] = NULL;
    }
    put(&locals[16], lost);
    clobber();
    return NULL;
}

static APART void start_detached(hidden argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, reveal(argument)) == 0);
    CHECK(pthread_detach(thread) == 0);
}

int main(void) {
    lost = take(LOST);
    start_detached(take(1020));
    wait_until_alone();
    clobber();
    return 0;
}

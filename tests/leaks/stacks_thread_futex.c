// The stack of a thread that waits for a condition, in a futex, holds.
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void *body(void *nothing) {
    void *volatile locals[8] = {0};
    put(&locals[2], take(HELD));
    put(&locals[3], take(LOST));
    locals[3] = NULL;
    clobber();
    is_ready = 1;
    pthread_mutex_lock(&mutex);
    for (;;) {
        pthread_cond_wait(&never, &mutex);
    }
    return (void *)locals[2];
}

int main(void) {
    start(body);
    wait_until_ready();
    clobber();
    return 0;
}

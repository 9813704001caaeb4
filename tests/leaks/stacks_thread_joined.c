// The stack of a thread that has ended, which libc keeps for the next one, holds nothing: neither what lay on it,
// nor the thread's argument, nor its result.
// expect 1004: definite
// expect 1020: definite
// expect 1036: definite
// flags: -pthread
// valgrind: differs: argument and result stay readable in the control block of the thread
// valgrind 1020: reachable
// valgrind 1036: reachable
#include "parts/threads.h"

static hidden lost, result;

static void *body(void *argument) {
    void *volatile locals[256];
    for (int i = 0; i < 256; i++) {
        locals[i] = NULL;
    }
    put(&locals[16], lost);
    clobber();
    return reveal(result);
}

static APART void start_and_join(hidden argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, reveal(argument)) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

int main(void) {
    lost = take(LOST);
    result = take(1036);
    start_and_join(take(1020));
    clobber();
    return 0;
}

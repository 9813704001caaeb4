// A thread has ended and was not joined: its result, which pthread_join would give, is held; its locals are not.
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"

static hidden result, lost;

static void *body(void *nothing) {
    void *volatile locals[256];
    for (int i = 0; i < 256; i++) {
        locals[i] = NULL;
    }
    put(&locals[16], lost);
    clobber();
    return reveal(result);
}

int main(void) {
    result = take(HELD);
    lost = take(LOST);
    start(body);
    wait_until_alone();
    clobber();
    return 0;
}

// Slots below the stack pointer of a thread that is blocked do not hold.
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"

static hidden held, lost;

static APART void keep_deep_down(void) {
    void *volatile locals[1600];
    for (int i = 0; i < 1600; i++) {
        locals[i] = NULL;
    }
    put(&locals[8], lost);
}

static void *body(void *nothing) {
    void *volatile locals[8] = {0};
    put(&locals[2], held);
    clobber();
    keep_deep_down();
    is_ready = 1;
    for (;;) {
        pause();
    }
    return (void *)locals[2];
}

int main(void) {
    held = take(HELD);
    lost = take(LOST);
    start(body);
    wait_until_ready();
    clobber();
    return 0;
}

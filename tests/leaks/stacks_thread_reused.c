// A thread on the stack of an earlier one, which has ended: what that left below the new stack pointer does not hold.
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"

static hidden held, lost;
static void *volatile first_frame, *volatile second_frame;

static void *first(void *nothing) {
    void *volatile locals[1024];
    for (int i = 0; i < 1024; i++) {
        locals[i] = NULL;
    }
    put(&locals[16], lost);
    first_frame = __builtin_frame_address(0);
    return NULL;
}

static void *second(void *nothing) {
    void *volatile locals[8] = {0};
    put(&locals[2], held);
    second_frame = __builtin_frame_address(0);
    is_ready = 1;
    for (;;) {
        pause();
    }
    return (void *)locals[2];
}

int main(void) {
    held = take(HELD);
    lost = take(LOST);
    CHECK(pthread_join(start(first), NULL) == 0);
    start(second);
    wait_until_ready();
    CHECK(first_frame == second_frame);
    clobber();
    return 0;
}

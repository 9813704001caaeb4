// The same variables of another thread hold while it lives.
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// library: tls.so parts/tls.c
// flags: ./tls.so -Wl,-rpath,$ORIGIN -pthread
// valgrind: same
#include "parts/threads.h"

void hold_in_tls(hidden address);

static __thread void *volatile held, *volatile overwritten;

static void *body(void *nothing) {
    put(&held, take(HELD));
    put(&overwritten, take(LOST));
    overwritten = NULL;
    hold_in_tls(take(3004));
    clobber();
    is_ready = 1;
    for (;;) {
        pause();
    }
    return NULL;
}

int main(void) {
    start(body);
    wait_until_ready();
    clobber();
    return 0;
}

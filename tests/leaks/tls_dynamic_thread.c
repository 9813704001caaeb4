// The same in another thread, which was there before the library.
// expect 2012: reachable
// expect 1004: definite
// library: tls.so parts/tls.c
// flags: -pthread
// valgrind: differs: the thread holds its table of libraries (dtv) by a pointer behind the block's start
// valgrind 2012: possible
#include "parts/dynamic.h"
#include "parts/threads.h"

static void *volatile library;

static void *body(void *nothing) {
    while (library == NULL) {
        usleep(1000);
    }
    hold(library, "hold_in_tls", take(LOST));
    hold(library, "hold_in_tls", take(HELD));
    clobber();
    is_ready = 1;
    for (;;) {
        pause();
    }
    return NULL;
}

int main(void) {
    start(body);
    library = load("./tls.so");
    wait_until_ready();
    clobber();
    return 0;
}

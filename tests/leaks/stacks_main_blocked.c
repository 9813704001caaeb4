// The main thread waits while another one ends the process: its stack holds, and not below its stack pointer.
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"

// 100 KiB below main's frame.
static APART void keep_deep_down(hidden address) {
    void *volatile locals[12800];
    for (int i = 0; i < 12800; i++) {
        locals[i] = NULL;
    }
    put(&locals[8], address);
}

static void *body(void *nothing) {
    while (!is_ready) {
        usleep(1000);
    }
    usleep(50000);
    clobber();
    exit(0);
}

int main(void) {
    void *volatile locals[4] = {0};
    hidden lost = take(LOST);
    put(&locals[1], take(HELD));
    pthread_t thread = start(body);
    clobber();
    keep_deep_down(lost);
    is_ready = 1;
    pthread_join(thread, NULL);
    return locals[0] == NULL;
}

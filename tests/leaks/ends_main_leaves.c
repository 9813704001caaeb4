// The main thread leaves by pthread_exit, and the process ends with its last thread.
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "leaks.h"

static void *volatile root;

static APART void hold_and_lose(void) {
    put(&root, take(HELD));
    lose(LOST);
}

static void *body(void *nothing) {
    usleep(100000);
    clobber();
    return NULL;
}

int main(void) {
    pthread_t thread;
    hold_and_lose();
    CHECK(pthread_create(&thread, NULL, body, NULL) == 0);
    clobber();
    pthread_exit(NULL);
}

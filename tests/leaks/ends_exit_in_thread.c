// The end by exit in another thread, while main waits: both stacks hold.
// expect 2012: reachable
// expect 1004: definite
// expect 3004: reachable
// expect 4012: reachable
// flags: -pthread
// valgrind: same
#include "leaks.h"

static void *volatile root;

static APART void hold_and_lose(void) {
    put(&root, take(HELD));
    lose(LOST);
}

static void *body(void *nothing) {
    void *volatile locals[8] = {0};
    put(&locals[3], take(4012));
    clobber();
    exit(locals[0] != NULL);
}

int main(void) {
    void *volatile locals[8] = {0};
    pthread_t thread;
    hold_and_lose();
    put(&locals[3], take(3004));
    clobber();
    CHECK(pthread_create(&thread, NULL, body, NULL) == 0);
    pthread_join(thread, NULL);
    return locals[0] == NULL;
}

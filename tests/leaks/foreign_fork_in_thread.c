// The child of a fork in another thread than the main one: its global holds, and it judges as any process.
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"
#include <sys/wait.h>

static void *volatile root;

static void *body(void *nothing) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        put(&root, take(HELD));
        lose(LOST);
        exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return NULL;
}

int main(void) {
    CHECK(pthread_join(start(body), NULL) == 0);
    clobber();
    return 0;
}

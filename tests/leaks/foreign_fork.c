// Blocks from before a fork are unknown in the child, and hold the child's; the parent's own verdicts stay.
// expect 2012: reachable
// expect 1004: definite
// expect 5004: reachable
// expect 1020: definite
// valgrind: differs: it knows the parent's blocks in the child too
// valgrind 5004: reachable 2
// valgrind 1020: definite 2
#include "leaks.h"
#include <sys/wait.h>

static void *volatile root;

int main(void) {
    put(&root, take(5004));
    lose(1020);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        put_in(hide(root), 2400, take(HELD));
        lose(LOST);
        exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    clobber();
    return 0;
}

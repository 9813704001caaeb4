// A child by fork begins anew: its leak is its own, the parent's blocks are not counted in it.
// any order
// env: MEMTRACE_SHOW=all
// expect: 30 bytes in 1 blocks are definitely lost
// expect: at leak_in_child (fork.c:
// expect: processes that began as a fork, so that blocks of the parent are unknown
// expect: 20 bytes in 1 blocks are still reachable
// expect: at keep_in_parent (fork.c:
// expect: losses: none
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile kept;

static __attribute__((noinline)) void keep_in_parent(void) {
    kept = malloc(20);
}

static __attribute__((noinline)) void leak_in_child(void) {
    void *volatile lost = malloc(30);
    (void)lost;
}

int main(void) {
    keep_in_parent();
    pid_t child = fork();
    if (child == 0) {
        free(kept);
        leak_in_child();
        return 0;
    }
    int status = 1;
    waitpid(child, &status, 0);
    return status;
}

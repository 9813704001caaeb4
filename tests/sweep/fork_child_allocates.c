// What fails is an allocation of the fork child's own.
// expect: null-dereference
// expect: clean-error
// expect site: careless
// expect failed: make_block
// env: MALLOC_FAIL_CHILDREN=same
// outside: clean-error
#include <sys/wait.h>
#include "parts/dereference.h"

int main(void) {
    int status = 0;
    void *block = malloc(200);
    if (block == NULL) {
        return sorry();
    }
    pid_t pid = fork();
    if (pid == 0) {
        careless();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    free(block);
    if (status != 0) {
        say(2, "the child failed\n");
        return 1;
    }
    say(1, "done\n");
    return 0;
}

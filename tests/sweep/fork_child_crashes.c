// The parent's allocation fails, and its child, which has a copy of the NULL, dies of it. The parent is polite.
// expect: null-dereference
// expect site: child
// expect failed: main
// outside: clean-error
#include <sys/wait.h>
#include "parts/say.h"

static APART void child(char *block) {
    *(volatile char *)block = 1;
    _exit(0);
}

int main(void) {
    int status = 0;
    char *block = malloc(100);
    pid_t pid = fork();
    if (pid == 0) {
        child(block);
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

// A child is another image of the program, which dies; the parent tells by its status.
// expect: null-dereference
// expect site: careless
// outside: clean-error
#include <spawn.h>
#include <sys/wait.h>
#include "parts/dereference.h"

extern char **environ;

int main(int argc, char **argv) {
    if (argc > 1) {
        careless();
        say(1, "child done\n");
        return 0;
    }
    int status = 0;
    pid_t pid;
    char *arguments[] = {argv[0], "child", NULL};
    if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ) != 0) {
        return 1;
    }
    waitpid(pid, &status, 0);
    if (status != 0) {
        say(2, "the child failed\n");
        return 1;
    }
    say(1, "done\n");
    return 0;
}

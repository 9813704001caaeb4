// case: fork children exec, with a path, with a search, with an environment, with a failure
// planted: yes

#include "parts/host.h"
int main(void) {
    char *args[] = {"sh", "-c", "exit 5", 0}, *env[] = {"A=b", 0};
    for (int i = 0; i < 10; i++) {
        pid_t c = fork(); if (!c) { execv("/bin/sh", args); _exit(90); } CHECK(ended(c) == 5);
        c = fork(); if (!c) { execvp("sh", args); _exit(90); } CHECK(ended(c) == 5);
        c = fork(); if (!c) { execve("/bin/sh", args, env); _exit(90); } CHECK(ended(c) == 5);
        c = fork(); if (!c) { execl("/bin/sh", "sh", "-c", "exit $A", "x", "y", "z", (char *)0); _exit(90); } CHECK(ended(c) == 0);
        c = fork(); if (!c) { execle("/bin/sh", "sh", "-c", "test $A = b", (char *)0, env); _exit(90); } CHECK(ended(c) == 0);
        c = fork(); if (!c) { execlp("no-such-program", "x", (char *)0); _exit(errno == ENOENT ? 7 : 90); } CHECK(ended(c) == 7);
    }
    planted(); return ok();
}

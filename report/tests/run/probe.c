// Prints what a process was started with: everything that a launcher could spoil.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

int main(int count, char **arguments) {
    for (int i = 0; i < count; i++) printf("argument %s\n", arguments[i]);
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0) printf("fd %d flags %d\n", fd, fcntl(fd, F_GETFL));
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (int signal = 1; signal < 65; signal++) {
        struct sigaction action;
        if (sigismember(&mask, signal) == 1) printf("signal %d blocked\n", signal);
        if (sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN) printf("signal %d ignored\n", signal);
    }
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    printf("core %lu\n", (unsigned long)core.rlim_cur);
    umask(0);
    printf("terminal %d %d %d, in front %d\n", isatty(0), isatty(1), isatty(2), tcgetpgrp(0) == getpgrp());
    printf("leads %d %d\n", getpgrp() == getpid(), getsid(0) == getpid());
    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, "_=", 2)) printf("variable %s\n", *variable);
    return 0;
}

// Prints what a program can see of itself: descriptors, environment, children, threads, signals, mappings' owners.
// Twice: in main, and in the first registered exit handler, which runs last. Leaks one block.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void *volatile leak;

static void see(void) {
    for (int fd = 0; fd < 1024; fd++) {
        struct stat about;
        if (fstat(fd, &about) == 0) {
            dprintf(1, "fd %d %o\n", fd, about.st_mode & S_IFMT);
        }
    }
    for (char **variable = environ; *variable != NULL; variable++) {
        dprintf(1, "variable %s\n", *variable);
    }
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL) {
            dprintf(1, "signal %d is handled\n", number);
        }
    }
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int number = 1; number < NSIG; number++) {
        if (sigismember(&mask, number)) {
            dprintf(1, "signal %d is blocked\n", number);
        }
    }
    int tasks = 0;
    DIR *directory = opendir("/proc/self/task");
    while (readdir(directory) != NULL) {
        tasks++;
    }
    closedir(directory);
    dprintf(1, "threads %d\n", tasks - 2);
    errno = 0;
    pid_t child = waitpid(-1, NULL, WNOHANG | __WALL);
    dprintf(1, "child %d errno %d\n", child, errno);
    directory = opendir(".");
    int files = 0;
    while (readdir(directory) != NULL) {
        files++;
    }
    closedir(directory);
    dprintf(1, "files %d\n", files);
}

int main(void) {
    atexit(see);
    see();
    leak = malloc(321);
    return 5;
}

// What the programs of this folder share: they say when they are ready, and do what stdin tells them, letter by letter.
#ifndef MEMTRACE_RUNNING_H
#define MEMTRACE_RUNNING_H
#include "../leaks/leaks.h"
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

// A line on stdout, at once.
#define SAY(...) CHECK(dprintf(1, __VA_ARGS__) > 0)

static UNUSED void ready(void) {
    alarm(60);
    SAY("ready %d\n", getpid());
}

// The next letter. A call that a check cuts short fails here. Without a test there is nothing left to do.
static UNUSED char hear(void) {
    char letter;
    ssize_t length = read(0, &letter, 1);
    CHECK(length >= 0);
    if (length == 0) {
        syscall(SYS_exit_group, 98);
    }
    return letter;
}

static UNUSED double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static UNUSED struct timespec from_seconds(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    return time;
}

static UNUSED pthread_t start_thread(void *(*body)(void *), void *argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, argument) == 0);
    return thread;
}

#endif

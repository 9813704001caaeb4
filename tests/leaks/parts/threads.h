// A second thread that waits in a place of the program's choice until the process ends.
#ifndef MEMTRACE_LEAKS_THREADS_H
#define MEMTRACE_LEAKS_THREADS_H
#include "../leaks.h"
#include <sys/stat.h>

// Set by the thread when it holds what it is to hold.
static volatile int is_ready;

// Waits for `is_ready`, and a little longer: the thread goes on into the call in which it waits.
static UNUSED void wait_until_ready(void) {
    while (!is_ready) {
        usleep(1000);
    }
    usleep(20000);
}

// Waits until the kernel knows no other thread of this process.
static UNUSED void wait_until_alone(void) {
    struct stat tasks;
    do {
        usleep(1000);
        CHECK(stat("/proc/self/task", &tasks) == 0);
    } while (tasks.st_nlink > 3);
}

static UNUSED pthread_t start(void *(*body)(void *)) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, NULL) == 0);
    return thread;
}

#endif

// What every host shares: the planted leak, checks, and the word at the end.

#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            dprintf(1, "line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
            _exit(99);                                                        \
        }                                                                     \
    } while (0)

// 7 blocks of 4,321 bytes, lost at once. They are written to: what free blocks and malloc's lists left in them would
// be read as pointers.
#ifdef __cplusplus
extern "C"
#endif
__attribute__((noinline, used)) void planted(void)
{
    for (volatile int i = 0; i < 7; i++) {
        void *volatile block = malloc(4321);
        if (!block)
            _exit(98);
        memset(block, 1, 4321);
        block = 0;
    }
}

// Allocates and frees a little of everything, and looks whether it is intact.
__attribute__((noinline, unused)) static void churn(int rounds)
{
    unsigned char *kept[16] = {0};
    for (int i = 0; i < rounds; i++) {
        int place = i * 7 % 16, size = i * 37 % 2000 + 1;
        if (kept[place] && kept[place][0] != (unsigned char)place)
            _exit(97);
        free(kept[place]);
        kept[place] = (unsigned char *)malloc(size);
        memset(kept[place], place, size);
        if (i % 5 == 0)
            kept[place] = (unsigned char *)realloc(kept[place], size * 2);
    }
    for (int i = 0; i < 16; i++)
        free(kept[i]);
}

__attribute__((unused)) static int ok(void)
{
    return write(1, "ok\n", 3) == 3 ? 0 : 96;
}

// The exit status of a child; 128 + signal if one killed it.
__attribute__((unused)) static int ended(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

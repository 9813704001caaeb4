// The stack of a thread that blocks all signals holds, and so does a register of it.
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"
#include <signal.h>
#include <sys/syscall.h>

static hidden on_stack, in_rbx;

static void *body(void *nothing) {
    void *volatile locals[8] = {0};
    int ends[2];
    char byte;
    sigset_t all;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0 && pipe(ends) == 0);
    put(&locals[3], on_stack);
    clobber();
    __asm__ volatile("mov %0, %%rbx; not %%rbx; movl $1, %1\n"
                     "1: mov %2, %%edi; lea %3, %%rsi; mov $1, %%edx; mov %4, %%eax; syscall; jmp 1b"
                     ::"m"(in_rbx), "m"(is_ready), "m"(ends[0]), "m"(byte), "i"(SYS_read)
                     : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r11", "memory");
    return (void *)locals[3];
}

int main(void) {
    on_stack = take(HELD);
    in_rbx = take(3004);
    start(body);
    wait_until_ready();
    lose(LOST);
    return 0;
}

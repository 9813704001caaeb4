// A thread that is blocked in a system call holds by a register that the call keeps.
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"
#include <sys/syscall.h>

static hidden in_rbx, in_r15;

static void *body(void *nothing) {
    int ends[2];
    char byte;
    CHECK(pipe(ends) == 0);
    clobber();
    __asm__ volatile("mov %0, %%rbx; not %%rbx; mov %1, %%r15; not %%r15; movl $1, %2\n"
                     "1: mov %3, %%edi; lea %4, %%rsi; mov $1, %%edx; mov %5, %%eax; syscall; jmp 1b"
                     ::"m"(in_rbx), "m"(in_r15), "m"(is_ready), "m"(ends[0]), "m"(byte), "i"(SYS_read)
                     : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r11", "r15", "memory");
    return NULL;
}

int main(void) {
    in_rbx = take(HELD);
    in_r15 = take(3004);
    start(body);
    wait_until_ready();
    lose(LOST);
    return 0;
}

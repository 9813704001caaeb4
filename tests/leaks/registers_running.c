// A thread that is running holds by any of its registers.
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"

static hidden in_rax, in_r13;

static void *body(void *nothing) {
    clobber();
    __asm__ volatile("mov %0, %%rax; not %%rax; mov %1, %%r13; not %%r13; movl $1, %2; 1: pause; jmp 1b"
                     ::"m"(in_rax), "m"(in_r13), "m"(is_ready)
                     : "rax", "r13", "memory");
    return NULL;
}

int main(void) {
    in_rax = take(HELD);
    in_r13 = take(3004);
    start(body);
    wait_until_ready();
    lose(LOST);
    return 0;
}

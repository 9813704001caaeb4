// The 128 bytes below the stack pointer of a function that calls nothing belong to it, and hold.
// expect 2012: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"

static hidden held;

static void *body(void *nothing) {
    hidden address = held;
    clobber();
    __asm__ volatile("not %0; mov %0, -72(%%rsp); xor %k0, %k0; movl $1, %1; 1: pause; jmp 1b"
                     : "+r"(address), "=m"(is_ready)::"memory");
    return NULL;
}

int main(void) {
    held = take(HELD);
    start(body);
    wait_until_ready();
    lose(LOST);
    return 0;
}

// The thread that ends the process holds by the registers that calls keep, wherever these are saved by then.
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// valgrind: same
#include "leaks.h"

static hidden in_rbx, in_r14;

int main(void) {
    void (*volatile end)(int) = exit;
    in_rbx = take(HELD);
    in_r14 = take(3004);
    lose(LOST);
    __asm__ volatile("mov %0, %%rbx; not %%rbx; mov %1, %%r14; not %%r14; mov %2, %%rax\n\t"
                     "xor %%edi, %%edi; and $-16, %%rsp; call *%%rax"
                     ::"m"(in_rbx), "m"(in_r14), "m"(end)
                     : "rax", "rbx", "rdi", "r14", "memory");
    return 1;
}

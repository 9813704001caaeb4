// case: rbp holds wild values while it allocates
// planted: yes
// flags: -O2 -fomit-frame-pointer

#include "parts/host.h"
int main(void) { uintptr_t wild[] = {0, 8, 0x7fffffffffff, 0xffffffffffffffff, 0x4141414141414141, 0xffff800000000000}; for (int i = 0; i < 6; i++) for (int r = 0; r < 50; r++) { void *p; __asm__ volatile("push %%rbp; mov %%rsp, %%rbx; and $-16, %%rsp; mov %2, %%rbp; mov $50, %%edi; call *%1; mov %%rbx, %%rsp; pop %%rbp" : "=a"(p) : "r"(malloc), "r"(wild[i]) : "rbx", "rdi", "rsi", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc"); CHECK(p); free(p); } planted(); return ok(); }

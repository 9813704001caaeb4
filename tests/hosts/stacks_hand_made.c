// case: assembly switches to a stack from malloc, and nothing lies above it
// planted: yes

#include "parts/host.h"
static void work(void) { churn(100); planted(); }
__attribute__((noinline)) static void on(void *top, void (*f)(void)) { __asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; call *%1; mov %%rbx, %%rsp" : : "r"(top), "r"(f) : "rbx", "memory", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc"); }
int main(void) { char *s = malloc(8192); on((void *)(((uintptr_t)s + 8192) & ~15ul), work); char *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); on(m + 8192, (void (*)(void))ok); for (int i = 0; i < 50; i++) { on((void *)(((uintptr_t)s + 8192 - 16 * (i % 8)) & ~15ul), (void (*)(void))getpid); } free(s); return 0; }

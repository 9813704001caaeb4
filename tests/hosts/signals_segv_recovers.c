// case: a SIGSEGV handler recovers, by a jump and by mapping the page, on a stack of its own
// planted: yes

#include "parts/host.h"
static sigjmp_buf back; static char *lazy; static int mapped;
static void on_fault(int s, siginfo_t *i, void *c) { (void)s; (void)c; char *at = i->si_addr; if (at >= lazy && at < lazy + (1 << 20)) { mprotect((char *)((uintptr_t)at & ~4095ul), 4096, PROT_READ | PROT_WRITE); mapped++; } else siglongjmp(back, 1); }
int main(void) {
    stack_t st = {.ss_sp = malloc(65536), .ss_size = 65536}; CHECK(!sigaltstack(&st, 0));
    struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK}; sigaction(SIGSEGV, &a, 0); sigaction(SIGBUS, &a, 0);
    lazy = mmap(0, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); volatile int n = 0;
    for (int i = 0; i < 100; i++) { if (!sigsetjmp(back, 1)) { void *volatile p = malloc(20); free(p); *(volatile int *)(uintptr_t)(i + 8) = 1; } else n++; lazy[i * 8192] = 1; churn(5); }
    CHECK(n == 100 && mapped == 100); planted(); return ok();
}

// case: handlers allocate on the smallest alternate stack that the system allows, with room for malloc itself
// planted: yes

#include "parts/host.h"
static volatile int count;
static void handler(int s) { (void)s; int kept = errno; char *p = (char *)malloc(100 + count % 900); p[0] = 1; free(p); count++; errno = kept; }
int main(void) { size_t size = sysconf(_SC_MINSIGSTKSZ) + 4096; stack_t stack = {.ss_sp = malloc(size), .ss_size = size}; CHECK(stack.ss_sp && !sigaltstack(&stack, 0)); struct sigaction a = {.sa_handler = handler, .sa_flags = SA_ONSTACK}; sigaction(SIGUSR1, &a, 0); for (int i = 0; i < 3000; i++) raise(SIGUSR1); CHECK(count == 3000); stack.ss_flags = SS_DISABLE; sigaltstack(&stack, 0); free(stack.ss_sp); planted(); return ok(); }

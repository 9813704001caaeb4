// case: a raw clone without any libc function; the child allocates
// planted: yes

#include "parts/host.h"
int main(void) { churn(100); for (int i = 0; i < 20; i++) { pid_t c = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); if (!c) { churn(100); void *p = malloc(10); free(p); _exit(i); } CHECK(ended(c) == i); } planted(); return ok(); }

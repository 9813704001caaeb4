// case: clone with shared memory on a stack of its own, and the child allocates
// planted: yes

#include "parts/host.h"
#include <sched.h>
static int work(void *n) { churn(100); return *(int *)n; }
int main(void) { char *stack = malloc(1 << 16); for (int i = 0; i < 20; i++) { pid_t c = clone(work, stack + (1 << 16), CLONE_VM | CLONE_VFORK | SIGCHLD, &i); CHECK(c > 0 && ended(c) == i); churn(10); } free(stack); planted(); return ok(); }

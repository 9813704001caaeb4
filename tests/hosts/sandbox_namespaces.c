// case: namespaces of its own: the child that plants is the first process of one, and has no network
// planted: yes
// possible: the list of threads in proc is of other pids, so registers are not seen

#include "parts/host.h"
#include <sched.h>
int main(void) { int is_refused = unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS); pid_t child = fork(); CHECK(child >= 0); if (!child) { CHECK(is_refused || getpid() == 1); churn(100); planted(); exit(7); } CHECK(ended(child) == 7); return ok(); }

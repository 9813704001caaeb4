// case: it ignores SIGCHLD, so that children leave nothing behind, and waits until there are none
// planted: yes

#include "parts/host.h"
int main(void) { signal(SIGCHLD, SIG_IGN); for (int i = 0; i < 20; i++) { pid_t child = fork(); CHECK(child >= 0); if (!child) { churn(20); _exit(3); } } CHECK(wait(0) == -1 && errno == ECHILD); CHECK(waitpid(-1, 0, WNOHANG | __WALL) == -1 && errno == ECHILD); planted(); return ok(); }

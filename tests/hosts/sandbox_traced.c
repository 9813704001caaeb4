// case: it is traced by a debugger of its own, which stops it at every signal
// planted: yes

#include "parts/host.h"
int main(void) {
    pid_t c = fork(); if (!c) { ptrace(PTRACE_TRACEME, 0, 0, 0); for (int i = 0; i < 20; i++) { churn(50); raise(SIGUSR1); } planted(); exit(3); }
    int status, stops = 0; for (;;) { CHECK(waitpid(c, &status, __WALL) == c); if (WIFEXITED(status)) break; CHECK(WIFSTOPPED(status)); stops++; ptrace(PTRACE_CONT, c, 0, 0); }
    CHECK(stops == 20 && WEXITSTATUS(status) == 3); return ok();
}

// case: a child stops itself and is continued; its parent hears of both
// planted: yes

#include "parts/host.h"
int main(void) { pid_t child = fork(); if (!child) { churn(50); raise(SIGSTOP); churn(50); _exit(6); } int status; CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP); kill(child, SIGCONT); CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status)); CHECK(ended(child) == 6); planted(); return ok(); }

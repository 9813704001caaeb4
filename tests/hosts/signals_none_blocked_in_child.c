// case: a program that waits for all its children gets its own ones only, and no signal for others
// planted: yes

#include "parts/host.h"
static volatile int died; static void on_child(int s) { (void)s; died++; }
int main(void) { struct sigaction a = {.sa_handler = on_child}; sigaction(SIGCHLD, &a, 0); CHECK(waitpid(-1, 0, 0) == -1 && errno == ECHILD); churn(1000); CHECK(waitpid(-1, 0, __WALL) == -1 && errno == ECHILD && !died); pid_t c = fork(); if (!c) _exit(1); CHECK(wait(0) == c && wait(0) == -1 && died == 1); planted(); return ok(); }

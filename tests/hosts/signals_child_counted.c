// case: a handler for SIGCHLD takes every child there is, and counts those that it did not start
// planted: yes

#include "parts/host.h"
static volatile int ours, others; static volatile pid_t last;
static void handler(int s) { (void)s; int kept = errno, status; while (waitpid(-1, &status, WNOHANG | __WALL) > 0) WIFEXITED(status) && WEXITSTATUS(status) == 77 ? ours++ : others++; errno = kept; }
static void tell(void) { free(malloc(100)); dprintf(1, "%d of ours, %d others\n", ours, others); ok(); }
int main(void) { struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART}; sigaction(SIGCHLD, &a, 0); CHECK(!atexit(tell)); for (int i = 0; i < 30; i++) { pid_t child = fork(); if (!child) { churn(10); _exit(77); } churn(200); } for (int i = 0; ours < 30 && i < 2000; i++) usleep(1000); planted(); return 0; }

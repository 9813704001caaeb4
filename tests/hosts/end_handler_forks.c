// case: an atexit handler forks, and waits for a child that exits through the handlers that are left
// planted: yes

#include "parts/host.h"
static int children;
static void last(void) { free(malloc(100)); }
static void handler(void) { if (children++) return; pid_t child = fork(); if (!child) { churn(100); exit(3); } if (ended(child) != 3) _exit(9); }
int main(void) { CHECK(!atexit(last) && !atexit(handler)); planted(); return ok(); }

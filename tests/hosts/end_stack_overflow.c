// case: its stack overflows, in a recursion that allocates
// planted: run
// status: SIGSEGV

#include "parts/host.h"
static int deep(int n) { char text[1000]; memset(text, n, 1000); void *volatile p = malloc(10); int r = deep(n + 1) + text[n % 1000]; free(p); return r; }
int main(void) { struct rlimit r = {0, 0}; setrlimit(RLIMIT_CORE, &r); planted(); ok(); return deep(0); }

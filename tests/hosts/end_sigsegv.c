// case: SIGSEGV kills it
// planted: run
// status: SIGSEGV

#include "parts/host.h"
int main(void) { struct rlimit r = {0, 0}; setrlimit(RLIMIT_CORE, &r); planted(); ok(); *(volatile int *)8 = 1; return 0; }

// case: a stack address is freed
// planted: run
// status: SIGABRT
// flags: -Wno-free-nonheap-object

#include "parts/host.h"
int main(void) { ok(); planted(); char text[100] __attribute__((aligned(16))) = {0}; char *volatile p = text; free(p); return 0; }

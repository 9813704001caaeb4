// case: an address inside a block is freed
// planted: run
// status: SIGABRT
// flags: -Wno-free-nonheap-object

#include "parts/host.h"
int main(void) { ok(); planted(); char *volatile p = calloc(1, 1000); free(p + 16); return 0; }

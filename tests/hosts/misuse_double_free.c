// case: a block is freed twice
// planted: run
// status: SIGABRT
// flags: -Wno-use-after-free

#include "parts/host.h"
int main(void) { ok(); planted(); char *volatile p = malloc(100); free(p); free(p); return 0; }

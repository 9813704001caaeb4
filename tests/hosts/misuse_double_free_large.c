// case: a large block is freed twice
// planted: run
// status: same
// flags: -Wno-use-after-free

#include "parts/host.h"
int main(void) { ok(); planted(); char *volatile p = malloc(1000000); free(p); free(p); return 0; }

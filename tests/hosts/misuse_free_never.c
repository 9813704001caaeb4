// case: addresses that nobody allocated are freed
// planted: run
// status: SIGABRT
// flags: -Wno-free-nonheap-object

#include "parts/host.h"
static char global[4096];
int main(void) { ok(); planted(); char *volatile p = global + 16; free(p); return 0; }

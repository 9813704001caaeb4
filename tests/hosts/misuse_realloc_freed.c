// case: a foreign address is given to realloc
// planted: run
// status: SIGABRT
// flags: -Wno-free-nonheap-object

#include "parts/host.h"
static char global[4096];
int main(void) { ok(); planted(); char *volatile p = global + 16; p = realloc(p, 100); return 0; }

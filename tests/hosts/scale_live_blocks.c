// case: two million live blocks at once
// planted: yes

#include "parts/host.h"
int main(void) { long n = getenv("HOST_BLOCKS") ? atol(getenv("HOST_BLOCKS")) : 2000000; void **p = malloc(n * sizeof *p); for (long i = 0; i < n; i++) { p[i] = malloc(16 + i % 64); *(char *)p[i] = (char)i; } planted(); for (long i = 0; i < n; i++) { CHECK(*(char *)p[i] == (char)i); free(p[i]); } free(p); return ok(); }

// case: the program has a malloc of its own, and is named as not traced
// planted: no
// says: malloc

#include "parts/host.h"
static char heap[1 << 20]; static size_t used;
void *malloc(size_t n) { if (used + n + 16 > sizeof heap) return 0; void *p = heap + used; used += (n + 15) / 16 * 16 + 16; return p; }
void free(void *p) { (void)p; }
void *calloc(size_t a, size_t b) { return malloc(a * b); }
void *realloc(void *p, size_t n) { void *q = malloc(n); if (p && q) memmove(q, p, n); return q; }
int main(void) { char *volatile p = malloc(10); CHECK(p >= heap && p < heap + sizeof heap); p = strdup("x"); CHECK(p >= heap && p < heap + sizeof heap); free(p); return ok(); }

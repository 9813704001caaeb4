// case: 16 GiB of calloc, of which next to nothing is touched
// planted: yes

#include "parts/host.h"
int main(void) { void *p[16]; for (int i = 0; i < 16; i++) { p[i] = calloc(1 << 20, 1 << 10); CHECK(p[i]); ((char *)p[i])[i << 20] = 1; } void *volatile whole = malloc((size_t)5 << 30); CHECK(whole); free(whole); planted(); for (int i = 0; i < 16; i++) free(p[i]); return ok(); }

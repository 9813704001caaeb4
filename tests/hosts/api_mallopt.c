// case: it sets the allocator's own switches, trims it, and asks for its numbers
// planted: yes

#include "parts/host.h"
int main(void) {
    CHECK(mallopt(M_MMAP_THRESHOLD, 4096) && mallopt(M_PERTURB, 0x5a) && mallopt(M_ARENA_MAX, 1) && mallopt(M_TOP_PAD, 0) && mallopt(M_TRIM_THRESHOLD, 4096));
    unsigned char *p = (unsigned char *)malloc(1000); for (int i = 0; i < 1000; i++) CHECK(p[i] == (unsigned char)~0x5a); p = (unsigned char *)realloc(p, 500000); CHECK(p); free(p);
    churn(5000); malloc_trim(0); struct mallinfo2 all = mallinfo2(); CHECK(all.arena < 1 << 24); FILE *f = fopen("/dev/null", "w"); CHECK(f && !malloc_info(0, f)); fclose(f); planted(); return ok();
}

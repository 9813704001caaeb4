// case: malloc_usable_size of NULL, of all sizes, and of blocks that libc allocated
// planted: yes

#include "parts/host.h"
int main(void) {
    CHECK(malloc_usable_size(0) == 0);
    for (size_t n = 0; n < 3000; n += 7) { char *p = malloc(n); size_t u = malloc_usable_size(p); CHECK(u >= n); memset(p, 1, u); free(p); }
    char *s = strdup("from libc"); CHECK(malloc_usable_size(s) >= 10); free(s);
    void *p; CHECK(!posix_memalign(&p, 1 << 16, 10)); CHECK(malloc_usable_size(p) >= 10); free(p);
    p = malloc(10 << 20); CHECK(malloc_usable_size(p) >= 10 << 20); free(p);
    CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 16)); struct mallinfo2 i = mallinfo2(); CHECK(i.arena > 0); malloc_trim(0);
    planted(); return ok();
}

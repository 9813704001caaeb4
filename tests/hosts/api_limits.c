// case: sizes that overflow, sizes of zero, alignments legal and illegal
// planted: yes
// flags: -Wno-alloc-size-larger-than -Wno-unused-result

#include "parts/host.h"
int main(void) {
    volatile size_t huge = (size_t)PTRDIFF_MAX + 1, most = SIZE_MAX, zero = 0;
    void *p = (void *)1;
    errno = 0; CHECK(!malloc(huge) && errno == ENOMEM);
    errno = 0; CHECK(!malloc(most) && errno == ENOMEM);
    errno = 0; CHECK(!calloc(most / 2, 3) && errno == ENOMEM);
    errno = 0; CHECK(!calloc(most, most) && errno == ENOMEM);
    errno = 0; CHECK(!reallocarray(0, most / 2, 3) && errno == ENOMEM);
    errno = 0; CHECK(!pvalloc(most - 10) && errno == ENOMEM);
    errno = 0; CHECK(!valloc(most) && errno == ENOMEM);
    errno = 0; CHECK(!aligned_alloc(64, most - 100) && errno == ENOMEM);
    errno = 0; CHECK(!memalign(4096, most) && errno == ENOMEM);
    errno = 7; CHECK(posix_memalign(&p, 64, most) == ENOMEM && p == (void *)1);
    CHECK(posix_memalign(&p, 3, 10) == EINVAL && posix_memalign(&p, 0, 10) == EINVAL && posix_memalign(&p, 4, 10) == EINVAL && p == (void *)1);
    void *a = malloc(zero), *b = malloc(zero); CHECK(a && b && a != b); free(a); free(b);
    a = calloc(zero, 5); CHECK(a); free(a); a = calloc(5, zero); CHECK(a); free(a);
    a = pvalloc(zero); CHECK(a && (uintptr_t)a % 4096 == 0); free(a);
    CHECK(!posix_memalign(&a, 64, zero)); free(a);
    for (size_t shift = 3; shift <= 22; shift++) {
        CHECK(!posix_memalign(&a, (size_t)1 << shift, 100) && (uintptr_t)a % ((size_t)1 << shift) == 0); memset(a, 1, 100); free(a);
        a = aligned_alloc((size_t)1 << shift, 10); CHECK(a && (uintptr_t)a % ((size_t)1 << shift) == 0); free(a);
        a = memalign(((size_t)1 << shift) - 1, 10); CHECK(a); free(a);
    }
    errno = 0; CHECK(!memalign(most / 2 + 2, 10) && errno == EINVAL);
    planted(); return ok();
}

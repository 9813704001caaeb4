// case: errno is kept by free and by every call that succeeds
// planted: yes

#include "parts/host.h"
int main(void) {
    for (int e = 0; e < 200; e++) {
        errno = e; void *p = malloc(e * 1000); CHECK(errno == e); free(p); CHECK(errno == e);
        p = calloc(3, e); CHECK(errno == e); p = realloc(p, e + 1); CHECK(errno == e); free(p); CHECK(errno == e);
        CHECK(!posix_memalign(&p, 64, e + 1) && errno == e); free(p); CHECK(errno == e);
        p = malloc(1 << 20); CHECK(errno == e); free(p); CHECK(errno == e); free(0); CHECK(errno == e);
    }
    planted(); return ok();
}

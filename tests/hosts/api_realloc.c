// case: realloc in all its forms
// planted: yes
// flags: -Wno-use-after-free -Wno-alloc-size-larger-than

#include "parts/host.h"
int main(void) {
    char *p = realloc(0, 100); CHECK(p); strcpy(p, "kept");
    for (size_t n = 50; n < 5000000; n = n * 3 / 2) { p = realloc(p, n); CHECK(p && !strcmp(p, "kept")); }
    for (size_t n = 5000000; n > 10; n = n * 2 / 3) { p = realloc(p, n); CHECK(p && !strcmp(p, "kept")); }
    volatile size_t huge = SIZE_MAX / 2 + 10; errno = 0; CHECK(!realloc(p, huge) && errno == ENOMEM && !strcmp(p, "kept"));
    errno = 0; CHECK(!reallocarray(p, huge, 4) && errno == ENOMEM && !strcmp(p, "kept"));
    p = reallocarray(p, 10, 20); CHECK(!strcmp(p, "kept"));
    errno = 5; CHECK(!realloc(p, 0)); CHECK(errno == 5);
    p = realloc(0, 0); CHECK(p); free(p);
    p = memalign(4096, 100); strcpy(p, "aligned"); p = realloc(p, 200000); CHECK(!strcmp(p, "aligned")); p = realloc(p, 1); free(p);
    char *same = malloc(24); p = realloc(same, 24); CHECK(p == same); free(p);
    planted(); return ok();
}

// case: its address space is limited to 256 MiB, and it uses what it gets
// planted: yes

#include "parts/host.h"
int main(void) {
    struct rlimit r = {256 << 20, 256 << 20}; CHECK(!setrlimit(RLIMIT_AS, &r)); planted(); int n = 0; static void *p[4000];
    while (n < 1000 && (p[n] = malloc(100000))) n++; CHECK(n == 1000); while (n) free(p[--n]);
    errno = 0; void *volatile q = malloc(300 << 20); CHECK(!q && errno == ENOMEM); churn(1000); return ok();
}

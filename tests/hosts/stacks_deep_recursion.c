// case: a recursion 100,000 deep that allocates on every level
// planted: yes
// flags: -pthread

#include "parts/host.h"
static long deep(int n) { if (!n) { planted(); return 0; } void *volatile p = malloc(8); long r = deep(n - 1) + 1; free(p); return r; }
static void *work(void *n) { CHECK(deep(100000) == 100000); return n; }
int main(void) { pthread_attr_t a; pthread_attr_init(&a); CHECK(!pthread_attr_setstacksize(&a, 64 << 20)); pthread_t t; CHECK(!pthread_create(&t, &a, work, 0)); pthread_join(t, 0); return ok(); }

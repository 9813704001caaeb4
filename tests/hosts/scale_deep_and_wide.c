// case: 64 threads with 64 sites each, at the same time
// planted: yes
// flags: -pthread

#include "parts/host.h"
static void spread(int n) { void *volatile p = malloc(n + 1); if (n) spread(n - 1); free(p); }
static void *work(void *n) { for (int i = 0; i < 100; i++) spread(64); return n; }
int main(void) { pthread_t t[64]; for (int i = 0; i < 64; i++) CHECK(!pthread_create(&t[i], 0, work, 0)); for (int i = 0; i < 64; i++) pthread_join(t[i], 0); planted(); return ok(); }

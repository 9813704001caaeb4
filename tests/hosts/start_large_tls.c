// case: it has a megabyte of thread-local memory, in each of 20 threads
// planted: yes
// flags: -pthread

#include "parts/host.h"
static __thread char large[1 << 20];
static void *work(void *unused) { for (int i = 0; i < 1 << 20; i += 4096) { CHECK(!large[i]); large[i] = 1; } churn(100); return unused; }
int main(void) { pthread_t t[20]; for (int i = 0; i < 20; i++) CHECK(!pthread_create(&t[i], 0, work, 0)); for (int i = 0; i < 20; i++) pthread_join(t[i], 0); work(0); planted(); return ok(); }

// case: threads free each other's blocks
// planted: yes
// flags: -pthread

#include "parts/host.h"
static void *volatile slots[64];
static void *work(void *n) { unsigned seed = (unsigned)(uintptr_t)n; for (int i = 0; i < 100000; i++) { void *p = malloc(rand_r(&seed) % 200); p = __atomic_exchange_n(&slots[rand_r(&seed) % 64], p, __ATOMIC_ACQ_REL); free(p); } return 0; }
int main(void) { pthread_t t[4]; for (long i = 0; i < 4; i++) CHECK(!pthread_create(&t[i], 0, work, (void *)(i + 1))); for (int i = 0; i < 4; i++) pthread_join(t[i], 0); for (int i = 0; i < 64; i++) free(slots[i]); planted(); return ok(); }

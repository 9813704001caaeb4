// case: 4,000 threads alive at once
// planted: yes
// flags: -pthread

#include "parts/host.h"
static pthread_barrier_t barrier;
static void *work(void *unused) { (void)unused; void *p = malloc(100); pthread_barrier_wait(&barrier); free(p); return 0; }
int main(void) {
    static pthread_t t[4000]; pthread_attr_t a; pthread_attr_init(&a); pthread_attr_setstacksize(&a, 65536); int n = 0;
    pthread_barrier_init(&barrier, 0, 4001);
    for (; n < 4000; n++) if (pthread_create(&t[n], &a, work, 0)) { dprintf(2, "only %d threads\n", n); planted(); ok(); _exit(0); }
    planted(); pthread_barrier_wait(&barrier); for (int i = 0; i < n; i++) pthread_join(t[i], 0); return ok();
}

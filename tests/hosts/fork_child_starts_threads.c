// case: a fork child of a threaded program starts threads and exits; the child plants
// planted: yes
// flags: -pthread

#include "parts/host.h"
static void *work(void *n) { churn(200); return n; }
int main(void) {
    pthread_t t; CHECK(!pthread_create(&t, 0, work, 0)); pthread_join(t, 0); void *before = malloc(77);
    pid_t child = fork();
    if (!child) { free(before); pthread_t c[4]; for (int i = 0; i < 4; i++) CHECK(!pthread_create(&c[i], 0, work, 0)); for (int i = 0; i < 4; i++) pthread_join(c[i], 0); planted(); exit(6); }
    CHECK(ended(child) == 6); free(before); return ok();
}

// case: it forks while other threads allocate; the children allocate too
// planted: yes
// flags: -pthread

#include "parts/host.h"
static volatile int stop;
static void *work(void *n) { while (!stop) churn(50); return n; }
int main(void) {
    pthread_t t[3]; for (int i = 0; i < 3; i++) CHECK(!pthread_create(&t[i], 0, work, 0));
    for (int i = 0; i < 100; i++) { pid_t child = fork(); CHECK(child >= 0); if (!child) { churn(100); _exit(i % 50); } CHECK(ended(child) == i % 50); }
    stop = 1; for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
    planted(); return ok();
}

// case: a storm of signals on threads that allocate; handlers only count
// planted: yes
// flags: -pthread

#include "parts/host.h"
static volatile sig_atomic_t stop; static volatile int got;
static void on_signal(int s) { (void)s; __sync_fetch_and_add(&got, 1); }
static void *work(void *n) { while (!stop) churn(50); return n; }
int main(void) {
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART}; sigaction(SIGUSR1, &a, 0); sigaction(SIGRTMIN + 3, &a, 0);
    pthread_t t[3]; for (int i = 0; i < 3; i++) CHECK(!pthread_create(&t[i], 0, work, 0));
    for (int i = 0; i < 20000; i++) { pthread_kill(t[i % 3], i % 2 ? SIGUSR1 : SIGRTMIN + 3); if (i % 100 == 0) usleep(50); }
    stop = 1; for (int i = 0; i < 3; i++) pthread_join(t[i], 0); CHECK(got > 100); planted(); return ok();
}

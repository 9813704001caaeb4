// case: a signal handler allocates, while the program is busy outside the heap and in it
// planted: yes
// A handler may use the heap where it interrupts nothing unsafe, so the program says when it is in malloc.

#include "parts/host.h"
static volatile sig_atomic_t inside, handled;
static void on_alarm(int s) { (void)s; if (!inside) { free(malloc(100)); handled++; } }
int main(void) {
    struct sigaction a = {.sa_handler = on_alarm, .sa_flags = SA_RESTART}; sigaction(SIGALRM, &a, 0);
    struct itimerval t = {{0, 200}, {0, 200}}; setitimer(ITIMER_REAL, &t, 0);
    for (unsigned i = 0; handled < 500; i++) { if (i % 64 == 0) { inside = 1; free(malloc(i % 500)); inside = 0; } }
    memset(&t, 0, sizeof t); setitimer(ITIMER_REAL, &t, 0); planted(); return ok();
}

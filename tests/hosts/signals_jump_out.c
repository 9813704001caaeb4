// case: handlers jump out of code that allocates, again and again, with siglongjmp
// planted: yes
// The jump leaves churn's own code only: the program says when it is in malloc.

#include "parts/host.h"
static sigjmp_buf back; static volatile sig_atomic_t inside, jumped;
static void on_alarm(int s) { (void)s; if (!inside) { jumped++; siglongjmp(back, 1); } }
int main(void) {
    struct sigaction a = {.sa_handler = on_alarm}; sigaction(SIGALRM, &a, 0); struct itimerval t = {{0, 300}, {0, 300}};
    sigsetjmp(back, 1); setitimer(ITIMER_REAL, &t, 0);
    while (jumped < 300) { inside = 1; void *volatile p = malloc(50); free(p); inside = 0; for (volatile int i = 0; i < 500; i++) {} }
    memset(&t, 0, sizeof t); setitimer(ITIMER_REAL, &t, 0); planted(); return ok();
}

// case: a signal handler forks, in the middle of malloc too; the child leaves at once
// planted: yes

#include "parts/host.h"
static volatile int forks;
static void handler(int s) { (void)s; int kept = errno; pid_t child = syscall(SYS_fork); if (!child) syscall(SYS_exit_group, 0); if (child > 0) while (waitpid(child, 0, 0) < 0 && errno == EINTR) {} forks++; errno = kept; }
int main(void) { struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART}; sigaction(SIGALRM, &a, 0); struct itimerval often = {{0, 3000}, {0, 3000}}, never = {{0, 0}, {0, 0}}; setitimer(ITIMER_REAL, &often, 0); for (long i = 0; forks < 40 && i < 100000000; i++) churn(50); setitimer(ITIMER_REAL, &never, 0); CHECK(forks >= 40); planted(); return ok(); }

// case: a profiler of its own takes a stack at every tick, while it allocates
// planted: yes

#include "parts/host.h"
#include <execinfo.h>
static volatile int ticks;
static void handler(int s) { (void)s; int kept = errno; void *frames[64]; if (backtrace(frames, 64) > 1) ticks++; errno = kept; }
int main(void) { void *first[4]; CHECK(backtrace(first, 4) > 0); struct sigaction a = {.sa_handler = handler, .sa_flags = SA_RESTART}; sigaction(SIGPROF, &a, 0); struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}}; setitimer(ITIMER_PROF, &often, 0); for (long i = 0; ticks < 25 && i < 100000000; i++) churn(100); setitimer(ITIMER_PROF, &never, 0); CHECK(ticks >= 25); planted(); return ok(); }

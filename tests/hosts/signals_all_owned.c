// case: the program owns every signal disposition, and finds them all as the kernel gave them
// planted: yes

#include "parts/host.h"
static volatile int got[65];
static void on_signal(int s) { got[s]++; }
int main(void) {
    sigset_t none; sigprocmask(SIG_SETMASK, 0, &none); for (int s = 1; s < 65; s++) CHECK(sigismember(&none, s) != 1);
    for (int s = 1; s < 65; s++) { struct sigaction a = {.sa_handler = on_signal}, old; if (s == SIGKILL || s == SIGSTOP || sigaction(s, 0, &old)) continue; CHECK(old.sa_handler == SIG_DFL || s == SIGPIPE || old.sa_handler == SIG_IGN); CHECK(!sigaction(s, &a, 0)); }
    for (int s = 1; s < 65; s++) { struct sigaction old; if (s == SIGKILL || s == SIGSTOP || sigaction(s, 0, &old)) continue; CHECK(old.sa_handler == on_signal); raise(s); churn(3); CHECK(got[s] == 1); }
    planted(); return ok();
}

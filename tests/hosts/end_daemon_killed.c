// case: a daemon that plants is killed by SIGKILL later
// planted: run

#include "parts/host.h"
int main(void) {
    int ends[2]; CHECK(!pipe(ends)); pid_t c = fork();
    if (!c) { if (daemon(1, 1)) _exit(9); planted(); pid_t me = getpid(); CHECK(write(ends[1], &me, sizeof me) == sizeof me); for (;;) pause(); }
    pid_t daemon_pid; CHECK(ended(c) == 0 && read(ends[0], &daemon_pid, sizeof daemon_pid) == sizeof daemon_pid); churn(10); CHECK(!kill(daemon_pid, SIGKILL)); usleep(300000); return ok();
}

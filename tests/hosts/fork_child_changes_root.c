// case: a fork child changes its root and its user before it allocates for the first time
// planted: run

#include "parts/host.h"

int main(void)
{
    churn(10);
    pid_t child = fork();
    if (!child) {
        if (geteuid() == 0)
            CHECK(!chroot("/proc/self/fdinfo") && !chdir("/") && !setgid(65534) && !setuid(65534));
        planted();
        _exit(0);
    }
    CHECK(ended(child) == 0);
    return ok();
}

// case: an empty file system hides proc
// planted: run
// flags: -rdynamic

#include "parts/host.h"
#include <sched.h>
#include <sys/mount.h>
int main(void) { if (!unshare(CLONE_NEWNS) && !mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) && !mount("none", "/proc", "tmpfs", MS_RDONLY, 0)) CHECK(access("/proc/self", F_OK)); churn(20000); planted(); return ok(); }

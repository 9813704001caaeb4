// case: it changes its root to an empty directory and drops its privileges
// planted: yes
// flags: -rdynamic

#include "parts/host.h"
int main(void) {
    if (geteuid() == 0) { char name[] = "/tmp/memtrace-host-XXXXXX"; CHECK(mkdtemp(name)); int old = open("/", O_RDONLY | O_DIRECTORY); CHECK(old >= 0); CHECK(!chroot(name) && !chdir("/")); CHECK(!unlinkat(old, name + 1, AT_REMOVEDIR) || 1); close(old); CHECK(!setgid(65534) && !setuid(65534)); }
    churn(100); planted(); return ok();
}

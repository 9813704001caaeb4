// case: its working directory has been removed
// planted: yes

#include "parts/host.h"
int main(void) { char name[] = "/tmp/memtrace-host-XXXXXX"; CHECK(mkdtemp(name) && !chdir(name) && !rmdir(name)); CHECK(!getcwd(0, 0)); churn(10); planted(); return ok(); }

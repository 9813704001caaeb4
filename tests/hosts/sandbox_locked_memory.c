// case: all its memory is locked, what comes later too, and as an ordinary user it may lock little more
// planted: yes
// flags: -rdynamic

#include "parts/host.h"
int main(void) { if (geteuid() == 0) { struct rlimit some; getrlimit(RLIMIT_MEMLOCK, &some); if (some.rlim_max > 1 << 26) some.rlim_cur = some.rlim_max = 1 << 26; CHECK(!setrlimit(RLIMIT_MEMLOCK, &some) && !setgid(65534) && !setuid(65534)); } if (mlockall(MCL_CURRENT | MCL_FUTURE)) { planted(); return ok(); } churn(20000); planted(); return ok(); }

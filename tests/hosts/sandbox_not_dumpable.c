// case: an ordinary user's process that nobody may look into: what proc has of it belongs to root
// planted: run
// flags: -rdynamic

#include "parts/host.h"
int main(void) { if (geteuid() == 0) CHECK(!setgid(65534) && !setuid(65534)); CHECK(!prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)); churn(2000); planted(); CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0); return ok(); }

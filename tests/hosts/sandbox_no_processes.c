// case: it becomes an ordinary user that may start no process and no thread
// planted: run
// flags: -rdynamic

#include "parts/host.h"
int main(void) { struct rlimit none = {0, 0}; if (geteuid() == 0) CHECK(!setgid(65534) && !setuid(65534)); CHECK(!setrlimit(RLIMIT_NPROC, &none)); CHECK(fork() == -1 && errno == EAGAIN); churn(200); planted(); return ok(); }

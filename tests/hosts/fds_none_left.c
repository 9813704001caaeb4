// case: it ends with every descriptor in use
// planted: yes
// flags: -rdynamic

#include "parts/host.h"
int main(void) { struct rlimit r = {64, 64}; setrlimit(RLIMIT_NOFILE, &r); while (open("/dev/null", O_RDONLY) >= 0) {} CHECK(errno == EMFILE); churn(100); planted(); return ok(); }

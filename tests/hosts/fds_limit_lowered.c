// case: it allows itself no more descriptors than it has
// planted: run

#include "parts/host.h"
int main(void) { struct rlimit none = {3, 3}; CHECK(!setrlimit(RLIMIT_NOFILE, &none)); churn(100); CHECK(open("/dev/null", O_RDONLY) == -1 && errno == EMFILE); planted(); return ok(); }

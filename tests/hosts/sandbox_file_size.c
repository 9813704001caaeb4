// case: it may write no files, and SIGXFSZ would kill it
// planted: run

#include "parts/host.h"
int main(void) { struct rlimit none = {0, 0}; signal(SIGXFSZ, SIG_DFL); churn(50); CHECK(!setrlimit(RLIMIT_FSIZE, &none)); churn(20000); planted(); return ok(); }

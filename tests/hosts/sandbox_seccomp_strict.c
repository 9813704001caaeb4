// case: strict seccomp: read, write, _exit; the heap was filled before
// planted: run

#include "parts/host.h"
#include <linux/seccomp.h>
int main(void) {
    void *p[7]; for (int i = 0; i < 7; i++) p[i] = malloc(100); for (int i = 0; i < 7; i++) free(p[i]); churn(100); planted();
    CHECK(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)); for (int i = 0; i < 1000; i++) { p[0] = malloc(100); free(p[0]); } ok(); syscall(SYS_exit, 0); return 9;
}

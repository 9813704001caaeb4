// case: a seccomp filter hands the calls that open files to a handler of the program's, which counts them
// planted: run
// flags: -rdynamic

#include "parts/host.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
static volatile int count;
static void handler(int s, siginfo_t *i, void *c) { (void)s; (void)i; count++; ((ucontext_t *)c)->uc_mcontext.gregs[REG_RAX] = -EACCES; }
#define TRAP(n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, n, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)
static void tell(void) { dprintf(1, "%d\n", count); ok(); }
int main(void) {
    struct sock_filter f[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), TRAP(SYS_openat), TRAP(SYS_open), TRAP(SYS_memfd_create), TRAP(SYS_readlinkat), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog p = {sizeof f / sizeof *f, f}; struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO}; sigaction(SIGSYS, &a, 0); CHECK(!atexit(tell));
    CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p)); CHECK(open("/dev/null", O_RDONLY) == -1 && errno == EACCES); churn(20000); planted(); return 0;
}

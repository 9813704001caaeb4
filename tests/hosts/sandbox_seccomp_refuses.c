// case: a seccomp filter refuses files, forks and execs with EPERM
// planted: run
// flags: -rdynamic

#include "parts/host.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#define REFUSE(n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, n, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
int main(void) {
    struct sock_filter f[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), REFUSE(SYS_openat), REFUSE(SYS_open), REFUSE(SYS_clone), REFUSE(SYS_clone3), REFUSE(SYS_fork), REFUSE(SYS_vfork), REFUSE(SYS_execve), REFUSE(SYS_memfd_create), REFUSE(SYS_pipe2), REFUSE(SYS_prctl), REFUSE(SYS_readlinkat), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog p = {sizeof f / sizeof *f, f};
    CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p)); CHECK(open("/dev/null", O_RDONLY) == -1 && errno == EPERM); churn(20000); planted(); return ok();
}

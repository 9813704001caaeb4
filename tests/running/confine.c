// Starts a program under something that hinders checks.
//
// `confine HOW LIBRARY PROGRAM [ARGUMENT…]`; the library goes into LD_PRELOAD, unless it is empty.
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            perror(#condition); \
            exit(99); \
        } \
    } while (0)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define FAIL(number) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (number))
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void filter(struct sock_filter *rules, size_t count) {
    struct sock_fprog program = {(unsigned short)count, rules};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

#define FILTER(...) \
    do { \
        struct sock_filter rules[] = {__VA_ARGS__}; \
        filter(rules, sizeof rules / sizeof *rules); \
    } while (0)

static void limit(int what, unsigned long value) {
    struct rlimit limits = {value, value};
    CHECK(setrlimit(what, &limits) == 0);
}

// Root may do what is refused to others.
static void become_nobody(void) {
    if (geteuid() == 0) {
        CHECK(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
    }
}

int main(int argc, char **argv) {
    CHECK(argc > 3);
    const char *how = argv[1];
    if (!strcmp(how, "ptrace-refused")) {
        FILTER(LOAD(nr), IS(SYS_ptrace, 0, 1), FAIL(EPERM), ALLOW);
    } else if (!strcmp(how, "ptrace-kills")) {
        FILTER(LOAD(nr), IS(SYS_ptrace, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS), ALLOW);
    } else if (!strcmp(how, "tracing-refused")) {
        // What Yama leaves to ancestors (kernel.yama.ptrace_scope = 1).
        FILTER(LOAD(nr), IS(SYS_ptrace, 2, 0), IS(SYS_process_vm_readv, 1, 0), IS(SYS_process_vm_writev, 0, 1), FAIL(EPERM),
               ALLOW);
    } else if (!strcmp(how, "clone-refused")) {
        // Threads can be made, processes cannot; clone3 shows its flags to nobody.
        FILTER(LOAD(nr), IS(SYS_clone3, 0, 1), FAIL(ENOSYS), IS(SYS_fork, 2, 0), IS(SYS_vfork, 1, 0), IS(SYS_clone, 1, 4),
               FAIL(EPERM), LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0), FAIL(EPERM), ALLOW);
    } else if (!strcmp(how, "processes")) {
        limit(RLIMIT_NPROC, 1);
        become_nobody();
    } else if (!strcmp(how, "nobody")) {
        become_nobody();
    } else {
        CHECK(atol(how) > 0);
        limit(RLIMIT_AS, (unsigned long)atol(how) << 20);
    }
    if (*argv[2] != 0) {
        CHECK(setenv("LD_PRELOAD", argv[2], 1) == 0);
    }
    execv(argv[3], argv + 3);
    perror(argv[3]);
    return 98;
}

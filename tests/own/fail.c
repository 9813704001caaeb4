// Runs a command in which the n-th system call of memtrace's own fails.
//
//   fail LOG library|command N COMMAND…
//
// A filter that the command inherits asks this process before each system call. Of the library's own are those whose
// instruction lies in libmemtrace.so, in any process; of the command's own those of any process that runs `memtrace`,
// but for the loader's. The n-th of those that can fail at all does, the others go on: N = 0 fails none. Neither is
// built for it, and nobody is traced.
//
// LOG gets one line: how many there were, which one failed with which error, and how many processes were left when
// time was up. The status is the command's; 128 + signal if one killed it.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// What can fail although its arguments are right, and how. What cannot (getpid, munmap of what is mapped, fstat of what is
// open, …) never does; brk says the old break instead of an error, and malloc has mmap besides.
static const struct { int number, error; const char *name; } table[] = {
#define CALL(name, error) {SYS_##name, error, #name}
    CALL(mmap, ENOMEM), CALL(mremap, ENOMEM), CALL(madvise, ENOMEM), CALL(mprotect, ENOMEM),
    CALL(memfd_create, EMFILE), CALL(open, EMFILE), CALL(openat, EMFILE), CALL(pipe, EMFILE), CALL(pipe2, EMFILE),
    CALL(socket, EMFILE), CALL(socketpair, EMFILE), CALL(dup, EMFILE), CALL(fcntl, EMFILE), CALL(eventfd2, EMFILE),
    CALL(epoll_create1, EMFILE), CALL(signalfd4, EMFILE), CALL(timerfd_create, EMFILE), CALL(pidfd_open, EMFILE),
    CALL(write, ENOSPC), CALL(pwrite64, ENOSPC), CALL(writev, ENOSPC), CALL(sendfile, ENOSPC), CALL(ftruncate, ENOSPC),
    CALL(fallocate, ENOSPC), CALL(copy_file_range, ENOSPC), CALL(rename, ENOSPC), CALL(renameat2, ENOSPC), CALL(mkdir, ENOSPC),
    CALL(linkat, EPERM),
    CALL(read, EIO), CALL(pread64, EIO), CALL(readlink, EACCES), CALL(readlinkat, EACCES), CALL(getdents64, EIO),
    CALL(newfstatat, EACCES), CALL(statx, EACCES), CALL(lseek, EINVAL), CALL(access, EACCES),
    CALL(clone, EAGAIN), CALL(clone3, EAGAIN), CALL(fork, EAGAIN), CALL(vfork, EAGAIN), CALL(execve, ENOMEM), CALL(execveat, ENOMEM),
    CALL(ptrace, EPERM), CALL(process_vm_readv, EPERM), CALL(kill, EPERM), CALL(tgkill, EPERM), CALL(prctl, EPERM),
    CALL(sched_setaffinity, EPERM), CALL(getrandom, ENOSYS), CALL(setsid, EPERM), CALL(membarrier, ENOSYS), CALL(close_range, ENOSYS),
    CALL(userfaultfd, EPERM), CALL(sendmsg, ENOBUFS), CALL(sendto, ENOBUFS), CALL(recvmsg, ENOMEM), CALL(ppoll, ENOMEM), CALL(poll, ENOMEM),
    CALL(sigaltstack, ENOMEM), CALL(prlimit64, EPERM),
};

// Where the library's code lies in a process, once it is there; nobody's code stays over an exec.
struct known { pid_t id; uint64_t start, end; uint8_t is_command; };
static struct known all[4096];
static int known_count;

static struct known *of(pid_t id) {
    for (int i = known_count; i-- > 0;)
        if (all[i].id == id) return &all[i];
    if (known_count == 4096) known_count = 0;
    all[known_count] = (struct known){.id = id};
    return &all[known_count++];
}

static int is_named(const char *path, const char *name) {
    const char *last = strrchr(path, '/');
    last = last ? last + 1 : path;
    return !strncmp(last, name, strlen(name)) && (last[strlen(name)] == 0 || last[strlen(name)] == '\n' || last[strlen(name)] == ' ');
}

// Looks the code with this name up that an instruction lies in, or all of it.
static int look(pid_t id, const char *name, uint64_t at, struct known *found) {
    char path[64], line[4096];
    snprintf(path, sizeof path, "/proc/%d/maps", id);
    FILE *file = fopen(path, "re");
    int is_there = 0;
    while (file && fgets(line, sizeof line, file)) {
        uint64_t start, end;
        char rights[8];
        if (sscanf(line, "%lx-%lx %7s", &start, &end, rights) == 3 && rights[2] == 'x' && strchr(line, '/') && is_named(strchr(line, '/'), name)) {
            is_there |= !found || (at >= start && at <= end);
            if (found) { found->start = start; found->end = end; }
        }
    }
    if (file) fclose(file);
    return is_there;
}

static int is_own(const struct seccomp_notif *asked, int is_of_command) {
    uint64_t at = asked->data.instruction_pointer;
    struct known *known = of(asked->pid);
    if (is_of_command) {
        if (!known->is_command) {
            char path[64], exe[4096] = {0};
            snprintf(path, sizeof path, "/proc/%d/exe", asked->pid);
            known->is_command = readlink(path, exe, sizeof exe - 1) > 0 && is_named(exe, "memtrace") ? 1 : 2;
        }
        struct known loader = {0};
        if (known->is_command == 2) return 0;
        if (!known->end && look(asked->pid, "ld-linux-x86-64.so.2", at, &loader)) { return 0; }
        if (!known->end) { look(asked->pid, "ld-linux-x86-64.so.2", at, &loader); known->start = loader.start; known->end = loader.end; }
        return !(at >= known->start && at <= known->end);
    }
    if (!known->end) look(asked->pid, "libmemtrace.so", at, known);
    return at >= known->start && at <= known->end && known->end;
}

// A pipe or a socket is read from without a device that could fail.
static int is_file(const struct seccomp_notif *asked) {
    char path[64], to[64] = {0};
    snprintf(path, sizeof path, "/proc/%d/fd/%d", asked->pid, (int)asked->data.args[0]);
    return asked->data.nr != SYS_read || (readlink(path, to, sizeof to - 1) > 0 && to[0] == '/');
}

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }

int main(int count, char **arguments) {
    if (count < 5) return 97;
    FILE *log = fopen(arguments[1], "we");
    int is_of_command = !strcmp(arguments[2], "command");
    long wanted = atol(arguments[3]), own = 0;
    volatile int *listener = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *listener = -1;
    // The descriptors are shared up to the exec: so the listener comes here.
    pid_t child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        struct sock_filter ask[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)};
        struct sock_fprog filter = {1, ask};
        if (geteuid() != 0) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
        *listener = fd < 0 ? -2 : fd;
        execvp(arguments[4], arguments + 4);
        _exit(96);
    }
    while (*listener == -1) usleep(100);
    if (*listener < 0) { fprintf(log, "no listener\n"); return 95; }
    int fd = *listener, status = -1, left = 0, is_over = 0;
    const char *failed = "none", *error = "";
    double until = 0;
    for (;;) {
        struct pollfd ready = {fd, POLLIN, 0};
        int events = poll(&ready, 1, 50);
        if (!is_over && waitpid(child, &status, WNOHANG) == child) { is_over = 1; until = now() + 15; }
        if (events > 0 && (ready.revents & POLLHUP)) break;
        if (is_over && now() > until) { left = 1; break; }
        if (events <= 0) continue;
        struct seccomp_notif asked;
        memset(&asked, 0, sizeof asked);
        if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked)) continue;
        struct seccomp_notif_resp answer = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
            if (table[i].number != asked.data.nr || !is_own(&asked, is_of_command) || !is_file(&asked)) continue;
            if (++own == wanted) { answer.flags = 0; answer.error = -table[i].error; failed = table[i].name; error = strerrorname_np(table[i].error); }
        }
        if (answer.flags && (asked.data.nr == SYS_execve || asked.data.nr == SYS_execveat)) *of(asked.pid) = (struct known){.id = asked.pid};
        ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
    if (!is_over) waitpid(child, &status, 0);
    fprintf(log, "own %ld failed %s %s left %d\n", own, failed, error, left);
    fclose(log);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

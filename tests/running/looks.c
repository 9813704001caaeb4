// Prints all that a program can see of itself, each time that stdin says so; nothing in it changes by itself.
//
// `looks SIGTRAP MODE`: what is done with SIGTRAP (`default`, `ignored`, `handled`, `blocked`); `alone`, with `threads`
// that wait, as the leader of a `session` without a terminal, or as a `subreaper`, who inherits orphans.
#include "running.h"
#include <dirent.h>
#include <fcntl.h>
#include <fenv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>

static volatile sig_atomic_t handled;

static void on_signal(int number) {
    (void)number;
    handled++;
}

static void *stay(void *slot) {
    char byte;
    CHECK(read(((int *)slot)[0], &byte, 1) == 0);
    return NULL;
}

// Lines of a file of /proc that begin with one of the words.
static void look_at(const char *path, const char *const *words) {
    char line[4096];
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        for (const char *const *word = words; *word != NULL; word++) {
            if (strncmp(line, *word, strlen(*word)) == 0) {
                SAY("%s", line);
            }
        }
    }
    fclose(file);
}

static void look_at_files(void) {
    for (int fd = 0; fd < 1024; fd++) {
        char path[64], name[200];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, name, sizeof name - 1);
        if (length > 0) {
            SAY("fd %d %.*s flags %x offset %ld\n", fd, (int)length, name, fcntl(fd, F_GETFD), (long)lseek(fd, 0, SEEK_CUR));
        }
    }
}

static void look_at_signals(void) {
    for (int number = 1; number <= 64; number++) {
        struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } action;
        CHECK(syscall(SYS_rt_sigaction, number, NULL, &action, 8) == 0);
        SAY("signal %d handler %p flags %lx mask %lx\n", number, action.handler, action.flags, action.mask);
    }
    stack_t stack;
    CHECK(sigaltstack(NULL, &stack) == 0);
    SAY("signal stack %p %zu %d, handled %d\n", stack.ss_sp, stack.ss_size, stack.ss_flags, (int)handled);
}

static void look_at_mappings(void) {
    char line[512];
    int kept_back = 0, mappings = 0;
    FILE *file = fopen("/proc/self/smaps", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        mappings += strncmp(line, "VmFlags:", 8) == 0;
        kept_back += strncmp(line, "VmFlags:", 8) == 0 && (strstr(line, " dc") != NULL || strstr(line, " wf") != NULL);
    }
    fclose(file);
    SAY("mappings %d, kept back from children %d\n", mappings, kept_back);
}

static void look(void) {
    static const char *const words[] = {"Name:", "State:", "TracerPid:", "Umask:", "Threads:", "SigPnd:", "SigBlk:", "SigIgn:", "SigCgt:", "ShdPnd:", "NoNewPrivs:", "Seccomp:", NULL};
    int before = errno, name = 0;
    unsigned short control;
    unsigned mxcsr;
    __asm__ volatile("fnstcw %0; stmxcsr %1" : "=m"(control), "=m"(mxcsr));
    SAY("errno %d control %x mxcsr %x rounding %d\n", before, control, mxcsr, fegetround());
    look_at("/proc/self/status", words);
    look_at_files();
    look_at_signals();
    look_at_mappings();
    for (int which = 0; which < 2; which++) {
        int status;
        errno = 0;
        pid_t child = waitpid(-1, &status, WNOHANG | (which ? __WALL : 0));
        SAY("child %d errno %d\n", child, errno);
    }
    SAY("dumpable %d subreaper %d,%d ", prctl(PR_GET_DUMPABLE), prctl(PR_GET_CHILD_SUBREAPER, &name), name);
    SAY("death %d,%d slack %d ", prctl(PR_GET_PDEATHSIG, &name), name, prctl(PR_GET_TIMERSLACK));
    SAY("group %d session %d parent %d\n", getpgrp() - getpid(), getsid(0) - getpid(), getppid());
    struct itimerval timer;
    getitimer(ITIMER_PROF, &timer);
    SAY("timer %ld, break %p\n", (long)timer.it_interval.tv_sec, sbrk(0));
    SAY("done\n");
    errno = before;
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    const char *trap = argv[1], *mode = argv[2];
    if (!strcmp(mode, "session")) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child > 0) {
            int status;
            CHECK(waitpid(child, &status, 0) == child);
            syscall(SYS_exit_group, WEXITSTATUS(status));
        }
        CHECK(setsid() > 0);
    }
    if (!strcmp(mode, "subreaper")) {
        CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    }
    int never[2];
    CHECK(pipe(never) == 0);
    // Each signal that can be is handled, SIGCHLD among them.
    for (int number = 1; number <= 64; number++) {
        if (number != SIGALRM && number != SIGKILL && number != SIGSTOP && number != SIGTRAP && number != 32 && number != 33) {
            CHECK(signal(number, on_signal) != SIG_ERR);
        }
    }
    CHECK(signal(SIGTRAP, !strcmp(trap, "ignored") ? SIG_IGN : !strcmp(trap, "handled") ? on_signal : SIG_DFL) != SIG_ERR);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGRTMIN + 5);
    if (!strcmp(trap, "blocked")) {
        sigaddset(&set, SIGTRAP);
    }
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    // Some wait: for the thread, and for the process, more than once.
    raise(SIGUSR2);
    for (int i = 0; i < 3; i++) {
        CHECK(sigqueue(getpid(), SIGRTMIN + 5, (union sigval){.sival_int = i}) == 0);
    }
    if (!strcmp(mode, "threads")) {
        start_thread(stay, never);
        start_thread(stay, never);
        usleep(20000);
    }
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    CHECK(sigaltstack(&stack, NULL) == 0);
    // Memory that fork children do not get.
    char *kept = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(kept != MAP_FAILED && madvise(kept, 4096, MADV_DONTFORK) == 0);
    CHECK(madvise(kept + 2 * 4096, 4096, 18) == 0);
    struct itimerval timer = {{100, 0}, {100, 0}};
    setitimer(ITIMER_PROF, &timer, NULL);
    CHECK(fesetround(FE_UPWARD) == 0);
    umask(027);
    ready();
    errno = E2BIG;
    for (;;) {
        switch (hear()) {
        case 'l': look(); break;
        case 'e': return 3;
        }
    }
}

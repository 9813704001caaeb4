// A process and its tracer. The child comes to an end in one of several ways; the parent, which traces it, lets it go
// on at memtrace_stack_here, on the library's stack, and says what came of it:
//
//   pid NODE START END  START END …      functions whose code should be found on the stack, innermost first
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 64 << 10, WORDS = 8 };

struct shared {
    uint64_t function, stack;
    uint64_t functions[8];
    int count;
};
static struct shared *shared;

#define HERE(end) (shared->functions[shared->count++] = (uint64_t)(end))

// The functions of one mode stand in a section each, so that their ends are known.
#define PART(name) __attribute__((noinline, noclone, section(name)))

static volatile int zero;
static char *volatile null;
static void (*volatile wild)(void);

PART("crash_data") void crash(void) {
    null[0xb8] = 1;
    zero++;
}
PART("crash_call") void call_nothing(void) {
    wild();
    zero++;
}
PART("crash_deep") int deep(int level) {
    volatile char room[512];
    room[0] = (char)level;
    int below = deep(level + 1);
    return below + room[0];
}
PART("crash_raise") void raise_it(void) {
    syscall(SYS_tgkill, getpid(), (int)syscall(SYS_gettid), SIGABRT);
    zero++;
}
PART("crash_outer") void outer(const char *mode) {
    if (strcmp(mode, "data") == 0) crash();
    if (strcmp(mode, "call") == 0 || strcmp(mode, "wild") == 0) call_nothing();
    if (strcmp(mode, "deep") == 0) zero += deep(0);
    if (strcmp(mode, "raise") == 0) raise_it();
    zero++;
}
PART("crash_corrupt") void corrupt(void) {
    // What malloc finds wrong it says so and aborts, with its own lock held.
    char *block = malloc(24);
    memset(block + 24, 0xff, 8);
    for (int count = 0; count < 100; count++) {
        malloc(5000);
    }
    zero++;
}

extern char __start_crash_data[], __stop_crash_data[], __start_crash_call[], __stop_crash_call[];
extern char __start_crash_deep[], __stop_crash_deep[], __start_crash_raise[], __stop_crash_raise[];
extern char __start_crash_outer[], __stop_crash_outer[], __start_crash_corrupt[], __stop_crash_corrupt[];

static void expect(char *start, char *end) {
    HERE(start);
    HERE(end);
}

static void *thread_outer(void *mode) {
    // A thread that never allocates.
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    outer(mode);
    return NULL;
}

static void busy(int level) {
    free(malloc(10 + level));
    if (level < 20) busy(level + 1);
    zero++;
}

static void child(const char *mode, int is_raw) {
    if (!is_raw) free(malloc(10));
    while (strcmp(mode, "busy") == 0) busy(0);
    if (strcmp(mode, "thread") == 0) {
        expect(__start_crash_data, __stop_crash_data);
        expect(__start_crash_outer, __stop_crash_outer);
        pthread_t thread;
        pthread_create(&thread, NULL, thread_outer, "data");
        pthread_join(thread, NULL);
    }
    if (strcmp(mode, "corrupt") == 0) expect(__start_crash_corrupt, __stop_crash_corrupt);
    if (strcmp(mode, "data") == 0) expect(__start_crash_data, __stop_crash_data);
    if (strcmp(mode, "call") == 0 || strcmp(mode, "wild") == 0) expect(__start_crash_call, __stop_crash_call);
    if (strcmp(mode, "deep") == 0) expect(__start_crash_deep, __stop_crash_deep);
    if (strcmp(mode, "raise") == 0) expect(__start_crash_raise, __stop_crash_raise);
    if (strcmp(mode, "wild") == 0) wild = (void (*)(void))0x123456789abc;
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    if (strcmp(mode, "corrupt") == 0) corrupt();
    if (strcmp(mode, "deep") != 0) expect(__start_crash_outer, __stop_crash_outer);
    outer(mode);
    _exit(1);
}

static uint64_t peek(pid_t pid, uint64_t at) {
    uint64_t word = 0;
    struct iovec own = {&word, 8}, other = {(void *)at, 8};
    process_vm_readv(pid, &own, 1, &other, 1, 0);
    return word;
}

// Has a task that stands still take its stack.
static long long ask(pid_t task) {
    struct user_regs_struct registers;
    ptrace(PTRACE_GETREGS, task, 0, &registers);
    uint64_t held[WORDS] = {registers.rip, registers.rsp, registers.rbp, registers.rbx,
                            registers.r12, registers.r13, registers.r14, registers.r15};
    uint64_t place = (shared->stack + ROOM - sizeof held) & ~63ull;
    for (int word = 0; word < WORDS; word++) ptrace(PTRACE_POKEDATA, task, place + word * 8, held[word]);
    registers.rip = shared->function;
    registers.rsp = registers.rdi = place;
    registers.rsi = 0;
    registers.orig_rax = -1ull;
    ptrace(PTRACE_SETREGS, task, 0, &registers);
    ptrace(PTRACE_CONT, task, 0, 0);
    uint64_t begun;
    memcpy(&begun, "memtrace", 8);
    for (int tries = 0; tries < 20000; tries++) {
        int status;
        if (peek(task, place + 8) == begun) return (long long)peek(task, place);
        if (waitpid(task, &status, __WALL | WNOHANG) == task) {
            printf("signal %d in memtrace_stack_here\n", WSTOPSIG(status));
            exit(1);
        }
        usleep(500);
    }
    printf("memtrace_stack_here hangs\n");
    exit(1);
}

// Asks at any moment, again and again; the target goes on each time.
static void ask_often(pid_t pid) {
    int status, none = 0, stacks = 0, others = 0;
    ptrace(PTRACE_SEIZE, pid, 0, 0);
    for (int time = 0; time < 300; time++) {
        struct user_regs_struct registers;
        struct user_fpregs_struct numbers;
        usleep(200);
        ptrace(PTRACE_INTERRUPT, pid, 0, 0);
        waitpid(pid, &status, __WALL);
        ptrace(PTRACE_GETREGS, pid, 0, &registers);
        ptrace(PTRACE_GETFPREGS, pid, 0, &numbers);
        long long node = ask(pid);
        none += node == 0;
        stacks += node > 0;
        others += node < 0;
        ptrace(PTRACE_INTERRUPT, pid, 0, 0);
        waitpid(pid, &status, __WALL);
        ptrace(PTRACE_SETREGS, pid, 0, &registers);
        ptrace(PTRACE_SETFPREGS, pid, 0, &numbers);
        ptrace(PTRACE_CONT, pid, 0, 0);
    }
    printf("%d none, %d stacks, %d others\n", none, stacks, others);
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "data";
    int status, is_raw = argc > 2;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared->function = (uint64_t)dlsym(RTLD_DEFAULT, "memtrace_stack_here");
    shared->stack = (uint64_t)dlsym(RTLD_DEFAULT, "memtrace_tracer_stack");
    free(malloc(10));
    pid_t pid = fork();
    if (pid == 0) child(mode, is_raw);
    if (strcmp(mode, "busy") == 0) {
        usleep(20000);
        ask_often(pid);
    } else {
        pid_t stopped = waitpid(-1, &status, __WALL);
        if (!WIFSTOPPED(status)) {
            printf("ended %x\n", status);
            return 1;
        }
        printf("%d %lld", (int)pid, ask(stopped));
        for (int count = 0; count < shared->count; count++) printf(" %llu", (unsigned long long)shared->functions[count]);
        printf("\n");
    }
    kill(pid, SIGKILL);
    // A traced thread is waited for before its process.
    while (waitpid(-1, &status, __WALL) > 0) {
    }
    return 0;
}

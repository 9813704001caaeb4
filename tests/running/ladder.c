// Loses blocks, and ends while other threads hold some: on a stack, and in a register alone.
//
// `ladder threads`: with those threads; `ladder alone`: without. A second argument is its status instead of 7.
#include "running.h"

static int never[2];
static volatile int is_ready;
static hidden in_register;

static void *stay(void *nothing) {
    void *volatile slot = NULL;
    char byte;
    put(&slot, take(HELD));
    clobber();
    __atomic_fetch_add(&is_ready, 1, __ATOMIC_SEQ_CST);
    CHECK(read(never[0], &byte, 1) == 0);
    return nothing;
}

static void *stay_with_register(void *nothing) {
    char byte;
    clobber();
    __asm__ volatile("mov %0, %%r15; not %%r15; movq $0, %0; lock incl %1\n"
                     "1: mov %2, %%edi; lea %3, %%rsi; mov $1, %%edx; mov %4, %%eax; syscall; jmp 1b"
                     : "+m"(in_register), "+m"(is_ready)
                     : "m"(never[0]), "m"(byte), "i"(SYS_read)
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r11", "r15", "memory");
    return nothing;
}

int main(int argc, char **argv) {
    alarm(60);
    CHECK(pipe(never) == 0);
    // In its buffer until the end, where stdout is a pipe.
    printf("said by ladder\n");
    if (argc < 2 || strcmp(argv[1], "alone") != 0) {
        in_register = take(3004);
        start_thread(stay, NULL);
        start_thread(stay_with_register, NULL);
        while (is_ready < 2) {
            usleep(1000);
        }
        usleep(20000);
    }
    for (int i = 0; i < 3; i++) {
        lose(LOST);
    }
    clobber();
    return argc > 2 ? atoi(argv[2]) : 7;
}

// A thread is blocked in a handler on its alternate stack, in a mapping: this stack holds, and its other stack too.
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// flags: -pthread
// valgrind: same
#include "parts/threads.h"
#include <signal.h>
#include <sys/mman.h>

static hidden on_altstack, on_stack;

static void handle(int signal) {
    void *volatile locals[8] = {0};
    put(&locals[3], on_altstack);
    clobber();
    is_ready = 1;
    for (;;) {
        pause();
    }
}

static void *body(void *nothing) {
    void *volatile locals[8] = {0};
    stack_t stack = {.ss_size = 131072};
    stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack.ss_sp != MAP_FAILED && sigaltstack(&stack, NULL) == 0);
    put(&locals[3], on_stack);
    clobber();
    CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
    return (void *)locals[3];
}

int main(void) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    on_altstack = take(HELD);
    on_stack = take(3004);
    start(body);
    wait_until_ready();
    lose(LOST);
    return 0;
}

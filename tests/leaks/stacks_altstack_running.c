// The process ends in a handler that runs on an alternate stack, which is a block: the block is held, its frames
// hold, and so does the main stack, on which the handler's interrupted function waits.
// expect 131088: reachable
// expect 2012: reachable
// expect 3004: reachable
// expect 1004: definite
// valgrind: differs: the stack pointer of a thread that ends the process is no root there
// valgrind 131088: definite
// valgrind 2012: indirect
#include "leaks.h"
#include <signal.h>

static hidden on_altstack;

static void handle(int signal) {
    void *volatile locals[8] = {0};
    put(&locals[3], on_altstack);
    lose(LOST);
    exit(0);
}

static APART void change(hidden block, size_t bytes) {
    stack_t stack = {.ss_sp = reveal(block), .ss_size = bytes};
    CHECK(sigaltstack(&stack, NULL) == 0);
}

// clobber() overwrites 64 KiB: the block has room for more.
int main(void) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    void *volatile locals[8] = {0};
    on_altstack = take(HELD);
    put(&locals[3], take(3004));
    change(take(131088), 131072);
    clobber();
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0);
    return 1;
}

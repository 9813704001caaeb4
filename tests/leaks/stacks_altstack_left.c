// A block that was the alternate signal stack, and is it no more, is lost, and what stale frames on it point to.
// expect 65552: definite
// expect 1004: indirect
// expect 2012: reachable
// valgrind: differs: frames that have returned are unreadable there, so that it finds no pointer in the block
// valgrind 1004: definite
#include "leaks.h"
#include <signal.h>

static hidden lost;
static void *volatile held;

static void handle(int signal) {
    void *volatile locals[64] = {0};
    put(&locals[4], lost);
}

static APART void change(hidden block, size_t bytes, int flags) {
    stack_t stack = {.ss_sp = reveal(block), .ss_size = bytes, .ss_flags = flags};
    CHECK(sigaltstack(&stack, NULL) == 0);
}

int main(void) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    lost = take(LOST);
    put(&held, take(HELD));
    change(take(65552), 65536, 0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0);
    change(lost, 0, SS_DISABLE);
    clobber();
    return 0;
}

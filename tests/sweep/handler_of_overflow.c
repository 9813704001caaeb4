// A handler on a stack of its own turns a stack overflow into a message and status 1.
// expect: stack-overflow
// expect site: explain
// outside: clean-error
#include <signal.h>
#include "parts/say.h"

static char other_stack[65536];

static void on_fault(int signal) {
    (void)signal;
    say(2, "sorry, an error\n");
    _exit(1);
}

static APART int explain(int depth) {
    volatile char room[1000];
    room[0] = (char)depth;
    return explain(depth + 1) + room[0];
}

int main(void) {
    stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGSEGV, &action, NULL);
    void *block = malloc(100);
    if (block == NULL) {
        return explain(0);
    }
    free(block);
    say(1, "done\n");
    return 0;
}

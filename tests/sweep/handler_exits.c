// A handler of its own turns every SIGSEGV into a message and status 1: it is a NULL dereference all the same.
// expect: null-dereference
// expect site: careless
// expect failed: make_block
// outside: clean-error
#include <signal.h>
#include "parts/dereference.h"

static void on_fault(int signal) {
    (void)signal;
    say(2, "sorry, an error\n");
    _exit(1);
}

int main(void) {
    signal(SIGSEGV, on_fault);
    careless();
    say(1, "done\n");
    return 0;
}

// A handler of its own jumps out of a NULL dereference, and the program ends as if all were well.
// expect: null-dereference
// expect site: careless
// outside: tolerated
#include <setjmp.h>
#include <signal.h>
#include "parts/dereference.h"

static sigjmp_buf before;

static void on_fault(int signal) {
    (void)signal;
    siglongjmp(before, 1);
}

int main(void) {
    signal(SIGSEGV, on_fault);
    if (sigsetjmp(before, 1) == 0) {
        careless();
    }
    say(1, "done\n");
    return 0;
}

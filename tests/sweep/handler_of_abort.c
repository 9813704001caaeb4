// A handler of its own turns the abort of an assertion into status 1.
// expect: assertion
// expect site: main
// outside: clean-error
#include <assert.h>
#include <signal.h>
#include "parts/say.h"

static void on_abort(int signal) {
    (void)signal;
    _exit(1);
}

int main(void) {
    signal(SIGABRT, on_abort);
    void *block = malloc(100);
    assert(block != NULL);
    free(block);
    say(1, "done\n");
    return 0;
}

// It asks by reading whether an address can be read, and recovers: with and without a failure. That is no finding.
// expect: clean-error
#include <setjmp.h>
#include <signal.h>
#include "parts/say.h"

static sigjmp_buf before;

static void on_fault(int signal) {
    (void)signal;
    siglongjmp(before, 1);
}

static APART int can_read(volatile char *address) {
    if (sigsetjmp(before, 1) != 0) {
        return 0;
    }
    (void)*address;
    return 1;
}

int main(void) {
    static char byte;
    signal(SIGSEGV, on_fault);
    int status = can_read(&byte) && !can_read(NULL) ? 0 : 5;
    void *block = malloc(100);
    if (block == NULL) {
        status = sorry();
    }
    if (can_read((char *)16)) {
        status = 6;
    }
    free(block);
    say(1, "done\n");
    return status;
}

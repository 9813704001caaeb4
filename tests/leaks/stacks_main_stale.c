// Slots below the stack pointer do not hold: what a function kept in its locals is lost when it has returned.
// expect 2012: reachable
// expect 1004: definite
// valgrind: same
#include "leaks.h"

// 100 KiB below main's frame, where no handler of the end comes.
static APART void keep_deep_down(hidden address) {
    void *volatile locals[12800];
    for (int i = 0; i < 12800; i++) {
        locals[i] = NULL;
    }
    put(&locals[8], address);
}

int main(void) {
    void *volatile locals[4] = {0};
    hidden lost = take(LOST);
    put(&locals[1], take(HELD));
    clobber();
    keep_deep_down(lost);
    exit(0);
}

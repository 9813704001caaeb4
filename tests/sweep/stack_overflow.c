// The explanation of a failure explains itself, without an end.
// forms: stack-overflow
// expect site: explain
// expect failed: attempt
#include "parts/form.h"

static APART int explain(int depth) {
    volatile char room[1000];
    room[0] = (char)depth;
    return explain(depth + 1) + room[0];
}

int main(void) {
    void *block = attempt(100);
    if (block == NULL) {
        return explain(0);
    }
    free(block);
    say(1, "done\n");
    return 0;
}

// An assertion in the place of a check. Its message needs memory too: without it, it is "Unexpected error".
// forms: assertion
// expect site: check
// expect failed: attempt
#include <assert.h>
#include "parts/form.h"

static APART void check(void *block) {
    assert(block != NULL);
}

int main(void) {
    void *block = attempt(100);
    check(block);
    free(block);
    say(1, "done\n");
    return 0;
}

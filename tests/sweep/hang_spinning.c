// The error path waits, at work, for what nobody will do.
// forms: hang-spinning
#include "parts/form.h"

static volatile int is_done;

int main(void) {
    void *block = attempt(100);
    while (block == NULL && !is_done) {
    }
    free(block);
    say(1, "done\n");
    return 0;
}

// It ends as Rust programs do.
// forms: designed-abort
#include "parts/form.h"

static APART void handle_alloc_error(void) {
    say(2, "memory allocation of 1000 bytes failed\n");
    abort();
}

int main(void) {
    void *block = attempt(1000);
    if (block == NULL) {
        handle_alloc_error();
    }
    say(1, "done\n");
    free(block);
    return 0;
}

// The error path frees a block, and so does the clean-up behind it.
// forms: heap-corruption
// expect failed: attempt
#include "parts/form.h"

static APART int work(void) {
    int status = 0;
    char *first = malloc(40);
    if (first == NULL) {
        return sorry();
    }
    char *second = attempt(60);
    if (second == NULL) {
        status = sorry();
        free(first);
        goto out;
    }
    free(second);
out:
    free(first);
    return status;
}

int main(void) {
    int status = work();
    say(1, "over\n");
    return status;
}

// The error path needs memory itself, and does not look whether it got some.
// expect once: clean-error
// expect forever: null-dereference
// expect pair: null-dereference
// expect site: explain
#include <stdio.h>
#include "parts/say.h"

static APART void explain(size_t size) {
    char *text = malloc(80);
    text[0] = '\0';
    snprintf(text, 80, "no %zu bytes\n", size);
    say(2, text);
    free(text);
}

int main(void) {
    void *block = malloc(1000);
    if (block == NULL) {
        explain(1000);
        return 2;
    }
    free(block);
    say(1, "done\n");
    return 0;
}

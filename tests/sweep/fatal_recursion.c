// The handler of failures allocates by the function that calls it: one failure is an exit, all of them have no end.
// expect once: clean-error
// expect forever: stack-overflow
#include <stdio.h>
#include "parts/say.h"

static APART void *allocate(size_t size);

static APART void fatal(size_t size) {
    char number[1024];
    snprintf(number, sizeof number, "%zu", size);
    char *text = (char *)allocate(80);
    snprintf(text, 80, "no %.20s bytes\n", number);
    say(2, text);
    free(text);
    exit(3);
}

static APART void *allocate(size_t size) {
    void *block = malloc(size);
    if (block == NULL) {
        fatal(size);
    }
    return block;
}

int main(void) {
    void *block = allocate(1000);
    free(block);
    say(1, "done\n");
    return 0;
}

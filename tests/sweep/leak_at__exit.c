// The error path ends by _exit, and a block has nobody.
// expect: leak
// expect: clean-error
// expect failed: main
#include "parts/say.h"

static APART int *make(void) {
    int *block = malloc(40);
    if (block != NULL) {
        *block = 1;
    }
    return block;
}

int main(void) {
    int *volatile first = make();
    if (first == NULL) {
        _exit(sorry());
    }
    void *second = malloc(60);
    if (second == NULL) {
        first = NULL;
        _exit(sorry());
    }
    free(second);
    free(first);
    _exit(0);
}

// What is lost without a failure too is no leak on the error path.
// expect: clean-error
#include "parts/say.h"

static APART int lose(void) {
    return malloc(40) != NULL ? 0 : -1;
}

int main(void) {
    if (lose() != 0) {
        return sorry();
    }
    void *block = malloc(60);
    if (block == NULL) {
        return sorry();
    }
    free(block);
    return 0;
}

// A lock file that the error path leaves behind.
// expect: file-left
// expect: clean-error
#include "parts/say.h"
#include "parts/temporary.h"

int main(void) {
    void *first = malloc(100);
    if (first == NULL) {
        return sorry();
    }
    close(make_temporary("sweep.lock"));
    void *second = malloc(100);
    if (second == NULL) {
        free(first);
        return sorry();
    }
    unlink(temporary);
    free(second);
    free(first);
    return 0;
}

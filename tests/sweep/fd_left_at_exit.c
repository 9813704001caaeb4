// A descriptor that only success closes; the program always ends by the same call of exit, by which it is judged.
// expect: fd-left
// expect: clean-error
#include <fcntl.h>
#include "parts/say.h"

static APART int work(void) {
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    void *block = malloc(100);
    if (block == NULL) {
        return sorry();
    }
    free(block);
    close(file);
    return 0;
}

int main(void) {
    exit(work());
}

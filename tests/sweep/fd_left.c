// A descriptor that only success closes; main returns.
// forms: fd-left
#include <fcntl.h>
#include "parts/form.h"

static APART int work(void) {
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    void *block = attempt(100);
    if (block == NULL) {
        return sorry();
    }
    free(block);
    close(file);
    return 0;
}

int main(void) {
    return work();
}

// A failure is a pointer that is no address, and nobody asks for it.
// forms: wild-access
// expect site: main
// expect failed: attempt
#include <stdint.h>
#include "parts/form.h"

#define FAILED ((int *)(uintptr_t)-4096)

static APART int *make(void) {
    int *number = attempt(sizeof *number);
    return number != NULL ? number : FAILED;
}

int main(void) {
    int *number = make();
    *number = 1;
    free(number);
    say(1, "made\n");
    return 0;
}

// It ends as CPython does where there is no way back.
// expect: designed-abort
#include "parts/say.h"

int main(void) {
    void *block = malloc(100);
    if (block == NULL) {
        say(2, "Fatal Python error: _PyRuntimeState_Init: memory allocation failed\n"
               "Python runtime state: preinitialized\n\n");
        abort();
    }
    free(block);
    say(1, "done\n");
    return 0;
}

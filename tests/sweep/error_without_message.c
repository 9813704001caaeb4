// A status, and not a word. What is on stderr is there without a failure too.
// forms: error-without-message
#include "parts/form.h"

int main(void) {
    say(2, "reading the defaults\n");
    void *block = attempt(1000);
    if (block == NULL) {
        return 3;
    }
    say(1, "done\n");
    free(block);
    return 0;
}

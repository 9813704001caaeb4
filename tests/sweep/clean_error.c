// As it should be: a message, a status, nothing left.
// forms: clean-error
#include "parts/form.h"

int main(void) {
    void *block = attempt(1000);
    if (block == NULL) {
        return sorry();
    }
    say(1, "done\n");
    free(block);
    return 0;
}

// Another sum and status 0, but with a word about it.
// forms: wrong-with-message
#include "parts/form.h"

int main(void) {
    int *numbers = attempt(3 * sizeof *numbers);
    if (numbers == NULL) {
        say(2, "warning: out of memory\n");
        say(1, "sum 0\n");
        return 0;
    }
    free(numbers);
    say(1, "sum 6\n");
    return 0;
}

// Nothing is said, and the sum is another.
// forms: silent-wrong
// expect failed: attempt
#include "parts/form.h"

int main(void) {
    int *numbers = attempt(3 * sizeof *numbers);
    if (numbers == NULL) {
        say(1, "sum 0\n");
        return 0;
    }
    free(numbers);
    say(1, "sum 6\n");
    return 0;
}

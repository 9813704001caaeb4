// One line is another in each run, and the failure changes the one behind it.
// expect: silent-wrong
#include <stdio.h>
#include "parts/say.h"

int main(void) {
    char line[200];
    int *numbers = malloc(3 * sizeof *numbers);
    snprintf(line, sizeof line, "pid %d\nsum %d\n", (int)getpid(), numbers != NULL ? 6 : 0);
    say(1, line);
    free(numbers);
    return 0;
}

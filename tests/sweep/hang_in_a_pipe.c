// The error path forgets its end of a pipe, and waits for the end of what comes through.
// expect: hang-deadlocked
#include "parts/say.h"

int main(void) {
    int pipes[2];
    if (pipe(pipes) != 0) {
        return 1;
    }
    char *block = malloc(100);
    if (block != NULL) {
        close(pipes[1]);
        free(block);
    }
    char byte;
    say(1, read(pipes[0], &byte, 1) == 0 ? "end\n" : "byte\n");
    return 0;
}

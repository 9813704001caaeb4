/* Loses blocks as its arguments say, `BYTES` or `BYTES:FUNCTION`, and ends with the status of the last one, `=STATUS`.
 * FUNCTION: a, b, c; a and b call c. `!SIGNAL` kills it, `r` keeps a block, `x` starts the rest of the line in its place. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *volatile kept;
static volatile int used;

__attribute__((noinline)) void *c(size_t bytes) {
    char *block = malloc(bytes);
    if (block) memset(block, 7, bytes);
    return block;
}
__attribute__((noinline)) int a(size_t bytes) { return c(bytes) != NULL; }
__attribute__((noinline)) int b(size_t bytes) { return c(bytes) != NULL ? 2 : 1; }

/* What a register or a dead frame still has of a block is written over. */
__attribute__((noinline)) static void wipe(void) {
    volatile char room[4096];
    for (size_t at = 0; at < sizeof room; at++) room[at] = 0;
}

int main(int count, char **words) {
    int status = 0;
    for (int place = 1; place < count; place++) {
        char *word = words[place];
        char *function = strchr(word, ':');
        if (*word == '=') status = atoi(word + 1);
        else if (*word == '!') kill(getpid(), atoi(word + 1));
        else if (*word == 'r') kept = c(64);
        else if (*word == 'x') return execvp(words[place + 1], words + place + 1);
        else if (function && function[1] == 'b') used = b(strtoul(word, NULL, 10));
        else if (function && function[1] == 'c') c(strtoul(word, NULL, 10));
        else used = a(strtoul(word, NULL, 10));
    }
    wipe();
    return status;
}

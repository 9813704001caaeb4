// The end of a program that lacks memory.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "safe_malloc.h"

enum { TEXT_BYTES = 1024 };

void fatal(result_t code, const char *message, const char *file, int line) {
    char place[TEXT_BYTES];
    snprintf(place, sizeof place, "%s:%d", file, line);
    char *text = SAFE_MALLOC(2 * TEXT_BYTES, char *);
    if (text) {
        snprintf(text, 2 * TEXT_BYTES, "fatal %d: %s (%s)\n", (int)code, message, place);
        if (write(STDERR_FILENO, text, strlen(text)) < 0) {
            code = ERROR_GENERAL;
        }
        SAFE_FREE(text);
    }
    exit((int)code);
}

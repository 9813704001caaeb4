// The end of a program that lacks memory.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "safe_malloc.h"

enum { TEXT_BYTES = 256 };

void fatal(result_t code, const char *message, const char *file, int line) {
    char text[TEXT_BYTES];
    snprintf(text, TEXT_BYTES, "fatal %d: %s (%s:%d)\n", (int)code, message, file, line);
    if (write(STDERR_FILENO, text, strlen(text)) < 0) {
        code = ERROR_GENERAL;
    }
    exit((int)code);
}

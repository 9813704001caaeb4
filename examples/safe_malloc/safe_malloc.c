// The policies for the lack of memory.
#include "safe_malloc.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void *checked(void *block, const char *file, int line) {
#ifdef OOM_FATAL
    if (block == NULL) {
        FATAL(ERROR_MEMORY, "out of memory", file, line);
    }
#else
    (void)file;
    (void)line;
#endif
    return block;
}

void *safe_malloc(size_t size, const char *file, int line) {
    return checked(malloc(size), file, line);
}

void *safe_calloc(size_t count, size_t size, const char *file, int line) {
    return checked(calloc(count, size), file, line);
}

char *safe_strdup(const char *source, const char *file, int line) {
    if (source == NULL) {
        return NULL;
    }
    char *copy = safe_malloc(strlen(source) + 1, file, line);
    return copy != NULL ? strcpy(copy, source) : NULL;
}

result_t set_errno(result_t code, const char *message, const char *file, int line) {
    char text[200];
    int length = snprintf(text, sizeof text, "error %d: %s (%s:%d)\n", (int)code, message, file, line);
    if (write(STDERR_FILENO, text, (size_t)length) < 0) {
        return ERROR_GENERAL;
    }
    return code;
}

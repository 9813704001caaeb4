// Allocation that knows its call's place, with one of two policies for the lack of memory, chosen when compiling:
// OOM_FATAL prints and ends with 3, so that the branches behind an allocation are dead;
// OOM_RETURNS_NULL brings them to life.
#ifndef SAFE_MALLOC_H
#define SAFE_MALLOC_H
#include <stddef.h>
#include <stdlib.h>

typedef enum {
    RESULT_OK = 0,
    ERROR_GENERAL = 1,
    ERROR_MEMORY = 3,
    ERROR_NETWORK = 4,
} result_t;

void *safe_malloc(size_t size, const char *file, int line);
void *safe_calloc(size_t count, size_t size, const char *file, int line);
char *safe_strdup(const char *source, const char *file, int line);
// Says what is wrong, and is the code.
result_t set_errno(result_t code, const char *message, const char *file, int line);
// Says it and ends.
void fatal(result_t code, const char *message, const char *file, int line);

// `cast` is the whole type of the pointer.
#define SAFE_MALLOC(size, cast) ((cast)safe_malloc((size), __FILE__, __LINE__))
#define SAFE_CALLOC(count, size, cast) ((cast)safe_calloc((count), (size), __FILE__, __LINE__))
#define SAFE_STRDUP(dst, src) \
    do { \
        (dst) = safe_strdup((src), __FILE__, __LINE__); \
    } while (0)
// Frees, and makes its variable NULL.
#define SAFE_FREE(ptr) \
    do { \
        free((void *)(ptr)); \
        (ptr) = NULL; \
    } while (0)
#define SET_ERRNO(code, message) set_errno((code), (message), __FILE__, __LINE__)
#define FATAL(code, message, file, line) fatal((code), (message), (file), (line))

#endif

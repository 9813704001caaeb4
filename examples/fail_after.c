// The third allocation fails; the program frees what it has, says so, and ends with status 3.
// env: MALLOC_FAIL_AFTER=2
// exit: 3
// flags: -fno-builtin
// expect: allocation 3 (index 2) was made to fail: malloc of 300 bytes
// expect: at open_session (fail_after.c:
// expect: by main (fail_after.c:
// expect: allocations: 2 (300 bytes)
// expect: frees: 2 (300 bytes)
// expect: losses: none
#include <errno.h>
#include <stdlib.h>

static int open_session(void) {
    char *name = malloc(100);
    if (name == NULL) {
        return -1;
    }
    char *key = malloc(200);
    if (key == NULL) {
        free(name);
        return -1;
    }
    char *buffer = malloc(300);
    if (buffer == NULL) {
        free(key);
        free(name);
        return -1;
    }
    free(buffer);
    free(key);
    free(name);
    return 0;
}

int main(void) {
    errno = 0;
    if (open_session() != 0) {
        return errno == ENOMEM ? 3 : 4;
    }
    return 0;
}

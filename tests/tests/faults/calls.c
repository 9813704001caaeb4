// Twenty allocations in a row. Prints a digit for each: 1 it succeeded, 0 it failed with ENOMEM, ? something else.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 20 };

static __attribute__((noinline)) void *one_call(int number) {
    void *volatile block = malloc(100 + number);
    return block;
}

static __attribute__((constructor)) void before_main(void) {
    for (int number = 0; number < 5; number++) {
        free(one_call(number));
    }
}

static void calls(int count) {
    char line[CALLS + 1];
    for (int number = 0; number < count; number++) {
        errno = 0;
        void *block = one_call(number);
        line[number] = block != NULL ? '1' : errno == ENOMEM ? '0' : '?';
        free(block);
    }
    line[count] = '\n';
    (void)!write(1, line, count + 1);
}

static void at_the_end(void) {
    calls(2);
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "fork") == 0) {
        calls(3);
        int status;
        if (fork() == 0) {
            calls(10);
            _exit(0);
        }
        wait(&status);
        return 0;
    }
    if (strcmp(mode, "exec") == 0) {
        calls(3);
        execl(argv[0], argv[0], (char *)NULL);
        return 1;
    }
    if (strcmp(mode, "atexit") == 0) {
        atexit(at_the_end);
        calls(3);
        return 0;
    }
    calls(CALLS);
    return 0;
}

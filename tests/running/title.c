// A daemon that writes its title over its arguments and its environment, as setproctitle does.
#include "running.h"

extern char **environ;

int main(int argc, char **argv) {
    char *last = argv[0] + strlen(argv[0]);
    for (int place = 1; place < argc; place++) {
        last = argv[place] + strlen(argv[place]);
    }
    for (char **variable = environ; *variable != NULL; variable++) {
        last = *variable + strlen(*variable);
    }
    static char *none[] = {NULL};
    environ = none;
    memset(argv[0], 't', (size_t)(last - argv[0]));
    lose(LOST);
    ready();
    CHECK(hear() == 'e');
    return 3;
}

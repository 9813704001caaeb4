// case: the program clears its environment at once, and overwrites the strings
// planted: yes

#include "parts/host.h"
extern char **environ;
int main(int argc, char **argv) {
    (void)argc;
    for (char **e = environ; *e; e++) memset(*e, 'x', strlen(*e));
    environ = 0; CHECK(!getenv("LD_PRELOAD")); clearenv(); memset(argv[0], 'y', strlen(argv[0]));
    planted(); churn(100); return ok();
}

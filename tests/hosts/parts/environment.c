// Execs itself with an odd environment, and looks whether it arrived.
#include "host.h"
extern char **environ;
int main(int argc, char **argv) {
    if (argc > 1) { int odd = 0, twice = 0; size_t bytes = 0; for (char **e = environ; *e; e++) { bytes += strlen(*e); odd += !strchr(*e, '='); twice += !strncmp(*e, "TWICE=", 6); } CHECK(odd == 2 && twice == 2 && bytes > 1000000); planted(); return 0; }
    char **all = calloc(64, sizeof *all); int n = 0; for (char **e = environ; *e && n < 40; e++) if (!strncmp(*e, "LD_PRELOAD=", 11) || !strncmp(*e, "MEMTRACE_", 9)) all[n++] = *e;
    for (int i = 0; i < 10; i++) { char *s = malloc(110000); memset(s, 'x', 109999); s[109999] = 0; s[0] = 'A' + i; s[1] = '='; all[n++] = s; }
    all[n++] = ""; all[n++] = "NOTHING"; all[n++] = "TWICE=1"; all[n++] = "TWICE=2"; all[n++] = "=";
    char *arguments[] = {argv[0], "again", 0}; execve("/proc/self/exe", arguments, all); return 9;
}

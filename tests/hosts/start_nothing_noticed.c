// case: it counts its threads, descriptors, children, signal handlers and variables, at its start and in its last handler
// planted: yes

#include "parts/host.h"
#include <dirent.h>
extern char **environ;
static int entries(const char *path) { DIR *d = opendir(path); int n = 0; while (readdir(d)) n++; closedir(d); return n; }
static void count(int is_start) {
    char line[400]; FILE *f = fopen("/proc/self/status", "r"); CHECK(f); while (fgets(line, sizeof line, f)) if ((!strncmp(line, "Sig", 3) && strncmp(line, "SigQ", 4)) || !strncmp(line, "Shd", 3) || !strncmp(line, "Threads", 7) || !strncmp(line, "NoNewPrivs", 10) || !strncmp(line, "Seccomp", 7)) dprintf(1, "%s", line); fclose(f);
    int other = 0; for (char **e = environ; *e; e++) other += strncmp(*e, "LD_PRELOAD=", 11) && strncmp(*e, "MEMTRACE_", 9);
    // From the beginning of the end on, stderr has a copy, for the report.
    if (is_start) dprintf(1, "%d descriptors\n", entries("/proc/self/fd"));
    dprintf(1, "%d tasks, %d variables, %d\n", entries("/proc/self/task"), other, waitpid(-1, 0, WNOHANG | __WALL)); stack_t stack; CHECK(!sigaltstack(0, &stack)); dprintf(1, "%d %d %d\n", stack.ss_flags, prctl(PR_GET_DUMPABLE), prctl(PR_GET_PDEATHSIG, &other));
}
static void last(void) { count(0); ok(); }
int main(void) { CHECK(!atexit(last)); count(1); churn(1000); planted(); return 0; }

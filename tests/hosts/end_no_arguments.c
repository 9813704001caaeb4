// case: it execs itself without any argument, not even its name
// planted: yes

#include "parts/host.h"
int main(int argc, char **argv) { (void)argv; if (getenv("HOST_AGAIN")) { CHECK(argc <= 1 && !(argc && *argv[0])); planted(); return ok(); } CHECK(!setenv("HOST_AGAIN", "1", 1)); char *none[] = {0}; extern char **environ; execve("/proc/self/exe", none, environ); return 9; }

// case: it execs itself through a descriptor that the exec closes
// planted: yes

#include "parts/host.h"
extern char **environ;
int main(int argc, char **argv) { if (argc > 1) { CHECK(open("/dev/null", O_RDONLY) == 3); planted(); return ok(); } int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); CHECK(self == 3); char *arguments[] = {argv[0], (char *)"again", 0}; fexecve(self, arguments, environ); return 9; }

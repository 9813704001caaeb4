// case: it execs another program, which keeps its own counsel
// planted: run
// status: 3

#include "parts/host.h"
int main(void) { planted(); ok(); execl("/bin/sh", "sh", "-c", "exit 3", (char *)0); return 9; }

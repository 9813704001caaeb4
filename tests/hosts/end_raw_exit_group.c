// case: it ends by a raw exit_group
// planted: run
// status: 8

#include "parts/host.h"
int main(void) { planted(); ok(); syscall(SYS_exit_group, 8); for (;;) {} }

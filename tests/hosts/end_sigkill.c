// case: SIGKILL kills it
// planted: run
// status: SIGKILL

#include "parts/host.h"
int main(void) { planted(); ok(); kill(getpid(), SIGKILL); for (;;) pause(); }

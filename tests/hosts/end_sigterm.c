// case: SIGTERM kills it
// planted: run
// status: SIGTERM

#include "parts/host.h"
int main(void) { planted(); ok(); kill(getpid(), SIGTERM); for (;;) pause(); }

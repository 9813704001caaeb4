// case: its handler for SIGTERM calls exit
// planted: yes
// status: 9

#include "parts/host.h"
static void on_term(int s) { (void)s; exit(9); }
int main(void) { signal(SIGTERM, on_term); planted(); ok(); kill(getpid(), SIGTERM); for (;;) pause(); }

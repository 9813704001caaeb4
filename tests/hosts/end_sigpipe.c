// case: SIGPIPE kills it
// planted: run
// status: same

#include "parts/host.h"
int main(void) { int ends[2]; signal(SIGPIPE, SIG_DFL); planted(); ok(); CHECK(!pipe(ends)); close(ends[0]); if (write(ends[1], "x", 1) == 1) return 9; return 8; }

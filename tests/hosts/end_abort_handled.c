// case: it aborts, and its handler for SIGABRT jumps out; it goes on and ends by exit
// planted: yes
// status: 4

#include "parts/host.h"
static jmp_buf back; static void on_abort(int s) { (void)s; longjmp(back, 1); }
int main(void) { signal(SIGABRT, on_abort); if (!setjmp(back)) abort(); churn(100); planted(); ok(); return 4; }

// case: an atexit handler calls _exit with another status
// planted: yes
// status: 12

#include "parts/host.h"
static void handler(void) { ok(); _exit(12); }
int main(void) { atexit(handler); planted(); return 0; }

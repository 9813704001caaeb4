// case: it execs itself ten times, and plants in the last
// planted: yes
// status: 0

#include "parts/host.h"
int main(int argc, char **argv) { (void)argc; int n = getenv("HOST_N") ? atoi(getenv("HOST_N")) : 0; if (n == 10) { planted(); return ok(); } char text[16]; sprintf(text, "%d", n + 1); setenv("HOST_N", text, 1); execv(argv[0], argv); return 9; }

// case: it closes every descriptor, and opens others in their places
// planted: yes

#include "parts/host.h"
int main(void) { ok(); churn(100); for (int i = 0; i < 4096; i++) close(i); syscall(SYS_close_range, 0, ~0u, 0); for (int i = 0; i < 10; i++) if (open("/dev/null", O_RDWR) != i) _exit(9); churn(100); planted(); return 0; }

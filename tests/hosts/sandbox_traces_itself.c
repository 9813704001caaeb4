// case: it asks whether it is being traced, by asking to be
// planted: yes

#include "parts/host.h"
int main(void) { char text[4096] = {0}; int fd = open("/proc/self/status", O_RDONLY); CHECK(read(fd, text, sizeof text - 1) > 0 && strstr(text, "TracerPid:\t0\n")); close(fd); CHECK(!ptrace(PTRACE_TRACEME, 0, 0, 0)); churn(100); planted(); return ok(); }

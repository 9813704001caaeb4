// case: the program has neither unwind data nor frame pointers
// planted: yes
// flags: -O2 -fno-asynchronous-unwind-tables -fno-unwind-tables -fomit-frame-pointer -g0

#include "parts/host.h"
__attribute__((noinline)) static long middle(int n) { churn(10); return n ? middle(n - 1) + 1 : 0; }
int main(void) { CHECK(middle(20) == 20); planted(); return ok(); }

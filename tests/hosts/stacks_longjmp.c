// case: setjmp and longjmp through frames that allocate
// planted: yes

#include "parts/host.h"
static jmp_buf back; static void deep(int n) { void *volatile p = malloc(n + 1); free(p); if (!n) longjmp(back, 1); deep(n - 1); }
int main(void) { for (volatile int i = 0; i < 2000; i++) { if (!setjmp(back)) deep(i % 50); churn(2); } planted(); return ok(); }

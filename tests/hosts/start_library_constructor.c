// case: another library's constructor allocates, and its destructor frees
// planted: yes
// library: libearly.so parts/early.c
// flags: -L. -learly -Wl,-rpath,$ORIGIN

#include "parts/host.h"
int early_count(void);
int main(void) { CHECK(early_count() == 100); churn(10); return ok(); }

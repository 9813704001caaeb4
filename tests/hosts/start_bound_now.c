// case: all its symbols are bound at once, and relocations are read-only afterwards
// planted: yes
// env: LD_BIND_NOW=1
// flags: -Wl,-z,relro,-z,now

#include "parts/host.h"
int main(void) { churn(100); planted(); return ok(); }

// case: main returns
// planted: yes
// status: 3

#include "parts/host.h"
int main(void) { planted(); ok(); return 3; }

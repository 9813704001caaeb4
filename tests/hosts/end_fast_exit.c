// case: it ends by _exit
// planted: yes
// status: 6

#include "parts/host.h"
int main(void) { planted(); ok(); printf("never seen"); _exit(6); }

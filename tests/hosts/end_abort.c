// case: it aborts
// planted: yes
// status: SIGABRT

#include "parts/host.h"
int main(void) { planted(); ok(); abort(); }

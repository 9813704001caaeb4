// Plants, and says so.
#include "host.h"
int main(void) { planted(); puts("planted"); return 0; }

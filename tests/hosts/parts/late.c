// Plants after a while.
#include "host.h"
int main(void) { usleep(200000); planted(); return 4; }

// Writes to 32 MiB of blocks, and plants.
#include "host.h"
int main(void) { static char *p[2048]; for (int i = 0; i < 2048; i++) { CHECK(p[i] = malloc(16384)); memset(p[i], i, 16384); } planted(); for (int i = 0; i < 2048; i++) { CHECK(p[i][9000] == (char)i); free(p[i]); } return 0; }

// Opens a file of data in the place of stderr, and has it open to its end.
#include "host.h"
int main(int argc, char **argv) { CHECK(argc == 2); close(2); CHECK(open(argv[1], O_WRONLY | O_TRUNC) == 2); planted(); CHECK(write(2, "data\n", 5) == 5); return 0; }

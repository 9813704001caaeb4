// Expects 0, 1 and 2 to be free, and nothing of anybody's to come into its files.
#include "host.h"
int main(void) {
    char name[] = "/tmp/memtrace-host-XXXXXX"; planted();
    int fd = mkstemp(name); if (fd != 0) return 1;
    unlink(name); if (dup(0) != 1 || dup(0) != 2) return 2;
    churn(100); struct stat s; if (fstat(0, &s) || s.st_size != 0) return 3;
    return 0;
}

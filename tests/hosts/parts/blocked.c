// Starts itself with a full pipe as its stderr.
#include "host.h"
int main(int argc, char **argv) {
    if (argc > 1) { planted(); return 5; }
    int ends[2]; CHECK(!pipe(ends)); fcntl(ends[1], F_SETFL, O_NONBLOCK); char text[4096] = {0}; while (write(ends[1], text, 4096) > 0) {} while (write(ends[1], text, 1) > 0) {} fcntl(ends[1], F_SETFL, 0);
    pid_t c = fork(); if (!c) { dup2(ends[1], 2); execl(argv[0], argv[0], "x", (char *)0); _exit(9); }
    CHECK(ended(c) == 5); return 0;
}

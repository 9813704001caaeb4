// The program becomes itself with an argument, and that image does not look at what it gets.
// expect: null-dereference
// expect site: careless
// expect failed: make_block
#include "parts/dereference.h"

int main(int argc, char **argv) {
    if (argc == 1) {
        execl("/proc/self/exe", argv[0], "again", (char *)NULL);
        return 1;
    }
    careless();
    say(1, "done\n");
    return 0;
}

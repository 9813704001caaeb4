// There is nothing to fail.
// status: 2
#include "parts/say.h"

int main(void) {
    say(1, "done\n");
    return 0;
}

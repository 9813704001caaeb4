// No library can be preloaded into it.
// status: 2
// says: statically linked
// flags: -static
#include "parts/say.h"

int main(void) {
    free(malloc(100));
    return 0;
}

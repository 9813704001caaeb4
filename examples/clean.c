// Everything that was taken is given back: nothing is said.
// silent
#include <stdlib.h>

int main(void) {
    for (int i = 0; i < 1000; i++) {
        free(malloc(i));
    }
    return 0;
}

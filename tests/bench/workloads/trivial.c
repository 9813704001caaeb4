// Starts and ends: what it takes on top is start-up and exit.
#include <stdlib.h>

int main(void) {
    void *block = malloc(100);
    free(block);
    return 0;
}

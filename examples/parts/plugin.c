// A plug-in that leaks; NAME is its only function. Built twice, so that one can take the other's address.
#include <stdlib.h>

void *NAME(void) {
    return malloc(BYTES);
}

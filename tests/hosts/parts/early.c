// A library whose constructor and destructor use the heap.
#include "host.h"
static void *kept[100];
static int count;
__attribute__((constructor)) static void start(void) { planted(); for (; count < 100; count++) kept[count] = malloc(50 + count); }
__attribute__((destructor)) static void stop(void) { for (int i = 0; i < count; i++) free(kept[i]); free(malloc(10)); }
int early_count(void) { return count; }

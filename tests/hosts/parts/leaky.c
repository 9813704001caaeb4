// A module that leaks as often as it is told.
#include <stdlib.h>
#include <string.h>
__attribute__((noinline)) void NAME(int n) { while (n--) { void *volatile p = malloc(4321); memset(p, 1, 4321); p = 0; } }
void leak(int n) { free(malloc(10)); NAME(n); __asm__ volatile(""); }

// case: the program takes every thread-specific key there is
// planted: yes
// flags: -pthread

#include "parts/host.h"
int main(void) { pthread_key_t k; int n = 0; while (!pthread_key_create(&k, 0)) n++; dprintf(1, "%d keys\n", n); planted(); return ok(); }

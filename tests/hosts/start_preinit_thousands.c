// case: it makes thousands of allocations before any constructor, and frees half of them in main
// planted: yes

#include "parts/host.h"
static void *blocks[6000];
static void first(void) { planted(); for (int i = 0; i < 6000; i++) { blocks[i] = malloc(i % 300 + 1); memset(blocks[i], i, 1); } }
__attribute__((section(".preinit_array"), used)) static void (*const entry)(void) = first;
int main(void) { for (int i = 0; i < 6000; i++) { CHECK(*(unsigned char *)blocks[i] == (unsigned char)i); free(blocks[i]); } return ok(); }

// case: more than 200,000 distinct stacks
// planted: yes
// flags: -O1 -fno-optimize-sibling-calls -fno-ipa-icf

#include "parts/host.h"
static long count; static void left(int, unsigned); static void right(int, unsigned);
static void leaf(int n, unsigned path) { if (!n) { void *volatile p = malloc(1); free(p); count++; return; } left(n - 1, path << 1); right(n - 1, path << 1 | 1); }
__attribute__((noinline)) static void left(int n, unsigned path) { leaf(n, path); __asm__ volatile("nop"); }
__attribute__((noinline)) static void right(int n, unsigned path) { leaf(n, path); __asm__ volatile("nop; nop"); }
int main(void) { leaf(18, 0); CHECK(count == 1 << 18); planted(); return ok(); }

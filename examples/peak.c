// The program stands highest before its end: what was live then, and by whom.
// report: --sort peak
// expect: 70,000 bytes in 7 blocks at the peak
// expect: at tall (peak.c:
// expect: 300 bytes in 3 blocks at the peak
// expect: at early (peak.c:
// expect-not: at late
// expect: peak: 70,300 bytes
#include <stdlib.h>

static __attribute__((noinline)) void *early(void) {
    void *volatile block = malloc(100);
    return block;
}

static __attribute__((noinline)) void *tall(void) {
    void *volatile block = malloc(10000);
    return block;
}

static __attribute__((noinline)) void *late(void) {
    void *volatile block = malloc(1000);
    return block;
}

int main(void) {
    void *first[3], *second[7], *third[20];
    for (volatile int i = 0; i < 3; i++) {
        first[i] = early();
    }
    for (volatile int i = 0; i < 7; i++) {
        second[i] = tall();
    }
    for (volatile int i = 0; i < 7; i++) {
        free(second[i]);
    }
    for (volatile int i = 0; i < 20; i++) {
        third[i] = late();
    }
    for (volatile int i = 0; i < 20; i++) {
        free(third[i]);
    }
    for (volatile int i = 0; i < 3; i++) {
        free(first[i]);
    }
    return 0;
}

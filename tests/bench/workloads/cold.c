// malloc/free pairs whose stack is new from the outermost frames on, each time: no stack comes twice running.
// usage: cold PAIRS
//
// 1,000 stacks of 21 frames below work(); two that follow each other differ in the outermost of them. Which function
// comes at a level is as good as random, so the program's own branches are not foreseen either.
#include <stdlib.h>

#define ALONE __attribute__((noinline, noclone))
#define TEN(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9)
#define STACKS 1000
#define FRAMES 21
// Each frame has something to do, so that a pair takes about 300 ns, as among the code of a real program.
#define WORK 3

typedef void *(*function)(const unsigned char *way, int left);

static volatile int after;
static unsigned char ways[STACKS][FRAMES + 1];
static const function steps[10];

#define STEP(n) \
    ALONE static void *step##n(const unsigned char *way, int left) { \
        void *p = left ? steps[*way](way + 1, left - 1) : malloc(24 + (*way * 20 & 127)); \
        for (int i = 0; i < WORK; i++) \
            after = after * 3 + n; \
        return p; \
    }
TEN(STEP)
static const function steps[10] = {step0, step1, step2, step3, step4, step5, step6, step7, step8, step9};

static unsigned state = 12345;

static unsigned random_below(unsigned end) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % end;
}

int main(int count, char **words) {
    if (count < 2)
        return 2;
    long pairs = atol(words[1]);
    for (int i = 0; i < STACKS; i++)
        for (int level = 0; level <= FRAMES; level++)
            ways[i][level] = level == 0 ? (unsigned)i % 10 : random_below(10);
    int last = 0;
    for (long i = 0; i < pairs; i++) {
        // Another last digit than the last time: another outermost function.
        int next = random_below(STACKS / 10) * 10 + (last + 1 + random_below(9)) % 10;
        free(steps[ways[next][0]](ways[next] + 1, FRAMES - 1));
        last = next;
    }
    return 0;
}

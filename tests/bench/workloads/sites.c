// Allocations from any number of sites: a chain of functions, one for each decimal digit of the site.
// usage: sites SITES ALLOCATIONS [keep]; the last LIVE_MAX blocks, or with `keep` all of them, are live at the end
#include <stdlib.h>
#include <string.h>

#define ALONE __attribute__((noinline, noclone))
#define TEN(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9)
#define LIVE_MAX 1024

typedef void *(*function)(long site, long sites);

static volatile int after;
static const function digits[10];

#define DIGIT(n) \
    ALONE static void *digit##n(long site, long sites) { \
        void *p = sites > 1 ? digits[site % 10](site / 10, (sites + 9) / 10) : malloc(100); \
        after = n; \
        return p; \
    }
TEN(DIGIT)
static const function digits[10] = {digit0, digit1, digit2, digit3, digit4, digit5, digit6, digit7, digit8, digit9};

static void *live[LIVE_MAX];

int main(int count, char **words) {
    if (count < 3)
        return 2;
    long sites = atol(words[1]), allocations = atol(words[2]);
    int keeps = count > 3 && !strcmp(words[3], "keep");
    unsigned long random = 12345;
    for (long i = 0; i < allocations; i++) {
        random = random * 6364136223846793005ul + 1442695040888963407ul;
        void *p = digits[0]((random >> 33) % sites, sites);
        if (!keeps)
            free(live[i % LIVE_MAX]);
        live[i % LIVE_MAX] = p;
    }
    return 0;
}

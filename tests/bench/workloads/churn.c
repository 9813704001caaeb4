// malloc/free pairs from 1,000 sites: 10 x 10 x 10 functions, picked at random, below a recursion.
// usage: churn THREADS DEPTH PAIRS [unchanged]; below a depth of 4 there are 100, 10 sites, or one
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ALONE __attribute__((noinline, noclone))
#define TEN(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9)
#define THREADS_MAX 64

typedef void *(*function)(int);

// Written after each call, so that none is a tail call. Each thread has its own: no line of memory goes to and fro.
static __thread volatile int after;

#define LEAF(n) ALONE static void *leaf##n(int site) { void *p = malloc(24 + ((site * 20 + 13) & 127)); after = n; return p; }
TEN(LEAF)
static const function leaves[] = {leaf0, leaf1, leaf2, leaf3, leaf4, leaf5, leaf6, leaf7, leaf8, leaf9};

#define MIDDLE(n) ALONE static void *middle##n(int site) { void *p = leaves[site % 10](site); after = n; return p; }
TEN(MIDDLE)
static const function middles[] = {middle0, middle1, middle2, middle3, middle4, middle5, middle6, middle7, middle8, middle9};

#define TOP(n) ALONE static void *top##n(int site) { void *p = middles[site / 10 % 10](site); after = n; return p; }
TEN(TOP)
static const function tops[] = {top0, top1, top2, top3, top4, top5, top6, top7, top8, top9};

static long pairs;
static int depth, is_unchanged;

ALONE static void work(void) {
    unsigned random = 12345;
    for (long i = 0; i < pairs; i++) {
        random = random * 1664525u + 1013904223u;
        int site = is_unchanged ? 7 : (random >> 12) % 1000;
        void *p = depth >= 4 ? tops[site / 100](site) : depth == 3 ? middles[site / 10 % 10](site)
            : depth == 2 ? leaves[site % 10](site) : malloc(24 + ((site * 20 + 13) & 127));
        free(p);
    }
}

ALONE static void below(int left, const char *above) {
    char own[48];
    own[0] = above ? above[0] : 0;
    if (left == 0)
        work();
    else
        below(left - 1, own);
    after = own[0];
}

static void *thread(void *unused) {
    // work, top, middle and leaf are the other frames.
    below(depth > 4 ? depth - 4 : 0, NULL);
    return unused;
}

int main(int count, char **words) {
    if (count < 4)
        return 2;
    int threads = atoi(words[1]);
    depth = atoi(words[2]);
    pairs = atol(words[3]) / threads;
    is_unchanged = count > 4 && !strcmp(words[4], "unchanged");
    if (threads == 1) {
        thread(NULL);
        return 0;
    }
    pthread_t all[THREADS_MAX];
    for (int i = 0; i < threads && i < THREADS_MAX; i++)
        pthread_create(&all[i], NULL, thread, NULL);
    for (int i = 0; i < threads && i < THREADS_MAX; i++)
        pthread_join(all[i], NULL);
    return 0;
}

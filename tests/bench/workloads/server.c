// A server in the manner of larson: threads replace random blocks of a table; after some rounds a thread ends, and a
// new one takes over its table, so that blocks are freed by another thread than their own.
// usage: server PAIRS
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define BLOCKS 1000
#define GENERATIONS 20

struct table {
    char *blocks[BLOCKS];
    unsigned random;
};

static struct table tables[THREADS];
static long pairs_each;

static void *serve(void *argument) {
    struct table *table = argument;
    for (long i = 0; i < pairs_each; i++) {
        table->random = table->random * 1664525u + 1013904223u;
        int place = (table->random >> 10) % BLOCKS;
        size_t size = 10 + (table->random >> 20) % 490;
        free(table->blocks[place]);
        table->blocks[place] = malloc(size);
        memset(table->blocks[place], 1, size < 64 ? size : 64);
    }
    return NULL;
}

int main(int count, char **words) {
    if (count < 2)
        return 2;
    pairs_each = atol(words[1]) / THREADS / GENERATIONS;
    for (int i = 0; i < THREADS; i++)
        tables[i].random = i + 1;
    for (int generation = 0; generation < GENERATIONS; generation++) {
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, serve, &tables[(i + generation) % THREADS]);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < THREADS; i++)
        for (int j = 0; j < BLOCKS; j++)
            free(tables[i].blocks[j]);
    return 0;
}

// Producers hand batches of blocks to consumers, who free them: every free is another thread's.
// usage: cross PAIRS; two producers, two consumers
#include <pthread.h>
#include <stdlib.h>

#define BATCH 256
#define QUEUE 16
#define COUPLES 2

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void **batches[QUEUE];
    long put, taken;
};

static struct queue queues[COUPLES];
static long batches_each;

static void *produce(void *argument) {
    struct queue *queue = argument;
    unsigned random = 12345;
    for (long i = 0; i < batches_each; i++) {
        void **batch = malloc(BATCH * sizeof *batch);
        for (int j = 0; j < BATCH; j++) {
            random = random * 1664525u + 1013904223u;
            batch[j] = malloc(16 + (random >> 16) % 240);
        }
        pthread_mutex_lock(&queue->lock);
        while (queue->put - queue->taken == QUEUE)
            pthread_cond_wait(&queue->changed, &queue->lock);
        queue->batches[queue->put++ % QUEUE] = batch;
        pthread_cond_signal(&queue->changed);
        pthread_mutex_unlock(&queue->lock);
    }
    return NULL;
}

static void *consume(void *argument) {
    struct queue *queue = argument;
    for (long i = 0; i < batches_each; i++) {
        pthread_mutex_lock(&queue->lock);
        while (queue->put == queue->taken)
            pthread_cond_wait(&queue->changed, &queue->lock);
        void **batch = queue->batches[queue->taken++ % QUEUE];
        pthread_cond_signal(&queue->changed);
        pthread_mutex_unlock(&queue->lock);
        for (int j = 0; j < BATCH; j++)
            free(batch[j]);
        free(batch);
    }
    return NULL;
}

int main(int count, char **words) {
    if (count < 2)
        return 2;
    batches_each = atol(words[1]) / BATCH / COUPLES;
    pthread_t threads[2 * COUPLES];
    for (int i = 0; i < COUPLES; i++) {
        pthread_mutex_init(&queues[i].lock, NULL);
        pthread_cond_init(&queues[i].changed, NULL);
        pthread_create(&threads[2 * i], NULL, produce, &queues[i]);
        pthread_create(&threads[2 * i + 1], NULL, consume, &queues[i]);
    }
    for (int i = 0; i < 2 * COUPLES; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

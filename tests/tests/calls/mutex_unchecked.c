// A queue from a pool; nobody looks whether its lock could be made. What stands there looks taken.
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct queue {
    pthread_mutex_t lock;
    int length;
};

static struct queue pool[1];

static struct queue *make_queue(void) {
    pthread_mutex_init(&pool[0].lock, NULL);
    pool[0].length = 0;
    return &pool[0];
}

static void put(struct queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->length++;
    pthread_mutex_unlock(&queue->lock);
}

int main(void) {
    // What was there before: a plain lock that a thread holds.
    memcpy(&pool[0].lock, &(int){1}, sizeof(int));
    struct queue *queue = make_queue();
    put(queue);
    return printf("%d\n", queue->length) < 0;
}

// Two threads take two locks; the error path of one takes them the other way round, and both wait.
// expect: hang-deadlocked
// flags: -pthread
#include <pthread.h>
#include "parts/say.h"

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t two = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;

static void *work(void *unused) {
    pthread_mutex_lock(&one);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&two);
    pthread_mutex_unlock(&two);
    pthread_mutex_unlock(&one);
    return unused;
}

int main(void) {
    pthread_t worker;
    pthread_barrier_init(&both, NULL, 2);
    if (pthread_create(&worker, NULL, work, NULL) != 0) {
        return 1;
    }
    void *block = malloc(100);
    int status = 0;
    if (block == NULL) {
        pthread_mutex_lock(&two);
        pthread_barrier_wait(&both);
        pthread_mutex_lock(&one);
        status = sorry();
        pthread_mutex_unlock(&one);
        pthread_mutex_unlock(&two);
    } else {
        pthread_barrier_wait(&both);
    }
    pthread_join(worker, NULL);
    free(block);
    say(1, "done\n");
    return status;
}

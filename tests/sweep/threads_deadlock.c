// A worker fails with the lock held and ends; the main thread waits for the lock.
// expect: hang-deadlocked
// expect failed: work
// flags: -pthread
#include <pthread.h>
#include "parts/say.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *work(void *unused) {
    pthread_mutex_lock(&lock);
    void *block = malloc(100);
    if (block == NULL) {
        say(2, "no work was done\n");
        return unused;
    }
    free(block);
    pthread_mutex_unlock(&lock);
    return unused;
}

int main(void) {
    pthread_t worker;
    if (pthread_create(&worker, NULL, work, NULL) != 0) {
        return 1;
    }
    pthread_join(worker, NULL);
    pthread_mutex_lock(&lock);
    say(1, "done\n");
    pthread_mutex_unlock(&lock);
    return 0;
}
